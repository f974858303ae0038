-- The sample shop: three years of a small online shop, up to the moment it is loaded.
--
-- Deterministic: every value comes from a hash of its row's number; only the clock moves the dates. What has not
-- happened yet at load is left out, so that an order is as far as its age lets it be.
-- Sums agree: an order's total is the sum of its items, and a settled order's completed payment is its total.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET TimeZone = 'UTC';

BEGIN;

CREATE TYPE user_status AS ENUM ('active', 'inactive', 'invited', 'suspended');
CREATE TYPE order_status AS ENUM ('pending', 'processing', 'shipped', 'delivered', 'cancelled', 'returned');
CREATE TYPE payment_method AS ENUM ('card', 'paypal', 'bank_transfer', 'gift_card');

CREATE TABLE users (
    id            integer PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    full_name     text NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'manager', 'support', 'warehouse')),
    status        user_status NOT NULL,
    password_hash text NOT NULL,
    last_login_at timestamptz,
    created_at    timestamptz NOT NULL
);

CREATE TABLE customers (
    id           integer PRIMARY KEY,
    name         text NOT NULL,
    email        text NOT NULL UNIQUE,
    segment      text NOT NULL CHECK (segment IN ('consumer', 'business', 'education')),
    city         text NOT NULL,
    country      text NOT NULL,
    newsletter   boolean NOT NULL,
    birth_date   date,
    created_at   timestamptz NOT NULL
);

CREATE TABLE categories (
    id          integer PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    description text NOT NULL
);

CREATE TABLE products (
    id             integer PRIMARY KEY,
    category_id    integer NOT NULL,
    name           text NOT NULL UNIQUE,
    sku            text NOT NULL UNIQUE,
    price          numeric(10, 2) NOT NULL CHECK (price > 0),
    stock_quantity integer NOT NULL CHECK (stock_quantity >= 0),
    status         text NOT NULL CHECK (status IN ('available', 'out_of_stock', 'discontinued')),
    created_at     timestamptz NOT NULL
);

CREATE TABLE orders (
    id           integer PRIMARY KEY,
    customer_id  integer NOT NULL,
    handled_by   integer,
    status       order_status NOT NULL,
    channel      text NOT NULL CHECK (channel IN ('web', 'mobile', 'phone')),
    total_amount numeric(12, 2) NOT NULL CHECK (total_amount >= 0),
    created_at   timestamptz NOT NULL,
    shipped_at   timestamptz,
    delivered_at timestamptz
);

CREATE TABLE order_items (
    id         integer PRIMARY KEY,
    order_id   integer NOT NULL,
    product_id integer NOT NULL,
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL CHECK (unit_price >= 0)
);

CREATE TABLE payments (
    id         integer PRIMARY KEY,
    order_id   integer NOT NULL,
    method     payment_method NOT NULL,
    status     text NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'refunded')),
    amount     numeric(12, 2) NOT NULL CHECK (amount >= 0),
    created_at timestamptz NOT NULL,
    paid_at    timestamptz
);

CREATE TABLE reviews (
    id          integer PRIMARY KEY,
    product_id  integer NOT NULL,
    customer_id integer NOT NULL,
    rating      smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment     text NOT NULL,
    created_at  timestamptz NOT NULL
);

-- Below, OFFSET 0 keeps Postgres from working a value out again wherever it is used.

-- A number in [0, 1) that depends on nothing but its arguments: hash partitions rest on this function's constancy.
CREATE FUNCTION pg_temp.unit(purpose text, number bigint) RETURNS double precision
    IMMUTABLE PARALLEL SAFE LANGUAGE sql
    RETURN (hashtextextended(purpose, number) & 4294967295) / 4294967296.0::double precision;

CREATE FUNCTION pg_temp.pick(choices text[], purpose text, number bigint) RETURNS text
    IMMUTABLE PARALLEL SAFE LANGUAGE sql
    RETURN choices[1 + floor(pg_temp.unit(purpose, number) * cardinality(choices))::int];

CREATE TEMP TABLE clock ON COMMIT DROP AS
SELECT now() AS now, current_date - 1095 AS opened;

CREATE TEMP TABLE names ON COMMIT DROP AS
SELECT
    '{Ada, Alan, Amara, Ana, Anders, Anouk, Aya, Ben, Bianca, Bram, Camille, Carlos, Chen, Clara, Daan,
      Diego, Elena, Elif, Emil, Emma, Farid, Femke, Finn, Freya, Giulia, Hana, Hugo, Ines, Ivan, Jana,
      Jonas, Julia, Kai, Karin, Lars, Lea, Leo, Lin, Lucia, Luis, Maja, Marek, Maria, Mateo, Maya, Mia,
      Milan, Mina, Nadia, Nils, Noah, Nora, Olga, Omar, Otto, Pablo, Petra, Piotr, Rosa, Sami, Sara,
      Simon, Sofia, Sven, Tara, Theo, Tomas, Vera, Viktor, Yara, Yusuf, Zoe}'::text[] AS first_names,
    '{Adler, Ahmed, Andersen, Bakker, Becker, Berg, Bianchi, Blanc, Bosch, Braun, Brown, Castro, Costa,
      Dahl, Diaz, Dubois, Eriksson, Fischer, Fontaine, Garcia, Gruber, Haas, Hansen, Hoffmann, Huber, Ito,
      Jansen, Janssens, Jensen, Kaya, Keller, Kim, Klein, Koch, Kovac, Kowalski, Kruger, Larsen, Laurent,
      Lehmann, Lopez, Lund, Maier, Marin, Martin, Mayer, Meyer, Moreau, Moretti, Muller, Nagy, Nielsen,
      Novak, Olsen, Peeters, Pereira, Petit, Popescu, Ricci, Richter, Rossi, Roux, Santos, Sato, Schmidt,
      Silva, Smit, Smith, Sorensen, Torres, Visser, Vogel, Wagner, Weber, Wolf, Yilmaz, Zimmermann}'::text[] AS last_names,
    -- the first are home to the most customers
    '{Berlin/Germany, Amsterdam/Netherlands, Hamburg/Germany, Vienna/Austria, Munich/Germany,
      Paris/France, Rotterdam/Netherlands, Brussels/Belgium, Cologne/Germany, Lyon/France,
      Antwerp/Belgium, Zurich/Switzerland, Milan/Italy, Madrid/Spain, Utrecht/Netherlands, Graz/Austria,
      Copenhagen/Denmark, Barcelona/Spain, Stockholm/Sweden, Rome/Italy, Ghent/Belgium,
      Geneva/Switzerland, Warsaw/Poland, Lisbon/Portugal, Aarhus/Denmark, Prague/Czechia,
      Gothenburg/Sweden, Krakow/Poland, Porto/Portugal, Dublin/Ireland}'::text[] AS places;

INSERT INTO users
SELECT
    n,
    lower(first || '.' || last) || n || '@shop.example',
    first || ' ' || last,
    CASE WHEN role < 0.05 THEN 'admin' WHEN role < 0.2 THEN 'manager' WHEN role < 0.65 THEN 'support' ELSE 'warehouse' END,
    status::user_status,
    '$argon2id$v=19$m=65536,t=3,p=4$' || md5('salt' || n) || '$' || md5('hash' || n),
    CASE
        WHEN status = 'active' THEN now - pg_temp.unit('login', n) ^ 2 * interval '20 days'
        WHEN status <> 'invited' THEN now - interval '60 days' - pg_temp.unit('login', n) * interval '200 days'
    END,
    CASE
        WHEN status = 'invited' THEN now - pg_temp.unit('hired', n) * interval '14 days'
        ELSE opened + pg_temp.unit('hired', n) * interval '800 days'
    END
FROM clock, names, generate_series(1, 240) AS n,
    LATERAL (SELECT
        pg_temp.pick(first_names, 'user first', n),
        pg_temp.pick(last_names, 'user last', n),
        pg_temp.unit('user role', n),
        pg_temp.unit('user status', n)
    ) AS hashed (first, last, role, state),
    LATERAL (SELECT
        CASE WHEN state < 0.66 THEN 'active' WHEN state < 0.87 THEN 'inactive' WHEN state < 0.94 THEN 'invited' ELSE 'suspended' END
    ) AS decided (status);

-- One customer signs up after the other, from 90 days before the opening on.
CREATE TEMP TABLE signup ON COMMIT DROP AS
SELECT opened - interval '90 days' AS start, interval '1185 days' / 5000 AS step FROM clock;

INSERT INTO customers
SELECT
    n,
    first || ' ' || last,
    lower(first || '.' || last) || n || '@' || pg_temp.pick('{mail.example,post.example,inbox.example}', 'mail', n),
    CASE WHEN segment < 0.78 THEN 'consumer' WHEN segment < 0.95 THEN 'business' ELSE 'education' END,
    split_part(place, '/', 1),
    split_part(place, '/', 2),
    pg_temp.unit('newsletter', n) < 0.42,
    CASE WHEN pg_temp.unit('told', n) < 0.7 THEN date '1945-01-01' + (pg_temp.unit('born', n) * 22000)::int END,
    start + step * (n - 1) - step * pg_temp.unit('signup', n)
FROM signup, names, generate_series(1, 5000) AS n,
    LATERAL (SELECT
        pg_temp.pick(first_names, 'first', n),
        pg_temp.pick(last_names, 'last', n),
        pg_temp.unit('segment', n),
        places[1 + floor(cardinality(places) * pg_temp.unit('place', n) ^ 1.6)::int]
    ) AS hashed (first, last, segment, place);

CREATE TEMP TABLE ranges ON COMMIT DROP AS
SELECT * FROM (VALUES
    (1, 'Kitchen', 'Pots, pans and tools for cooking', '{Saucepan,Frying Pan,Chef Knife,Mixing Bowl,Kettle}'::text[], 15, 140),
    (2, 'Lighting', 'Lamps for every room', '{Desk Lamp,Floor Lamp,Pendant Light,Night Light,Lantern}', 20, 260),
    (3, 'Furniture', 'Tables, chairs and shelves', '{Chair,Side Table,Bookshelf,Stool,Bench}', 60, 700),
    (4, 'Bedding', 'Sheets, pillows and blankets', '{Pillow,Duvet,Sheet Set,Blanket,Mattress Topper}', 20, 240),
    (5, 'Bath', 'Towels and everything for the bathroom', '{Towel Set,Bath Mat,Mirror,Soap Dispenser,Shelf}', 8, 90),
    (6, 'Garden', 'Tools and pots for outdoors', '{Planter,Pruner,Watering Can,Garden Chair,Bird House}', 10, 180),
    (7, 'Office', 'For the desk at work and at home', '{Notebook,Desk Organizer,Monitor Stand,Pen Set,File Box}', 6, 120),
    (8, 'Toys', 'For children and those who stayed it', '{Puzzle,Building Set,Board Game,Kite,Toy Train}', 8, 90),
    (9, 'Sports', 'Gear for training and play', '{Yoga Mat,Dumbbell Set,Jump Rope,Football,Tennis Racket}', 9, 160),
    (10, 'Travel', 'Bags and what goes into them', '{Backpack,Suitcase,Packing Cube,Travel Pillow,Duffel Bag}', 12, 280),
    (11, 'Stationery', 'Paper, ink and cards', '{Fountain Pen,Card Set,Sketchbook,Calendar,Wax Seal}', 4, 70),
    (12, 'Music', 'Instruments and what they need', '{Ukulele,Harmonica,Cajon,Tuner,Music Stand}', 12, 320),
    (13, 'Electronics', 'Devices and accessories', '{Headphones,Speaker,Charger,Keyboard,Webcam}', 19, 420),
    (14, 'Clothing', 'Clothes for all seasons', '{Jacket,Sweater,Shirt,Scarf,Raincoat}', 18, 210),
    (15, 'Shoes', 'Shoes for indoors and outdoors', '{Sneaker,Boot,Sandal,Slipper,Hiking Shoe}', 25, 230),
    (16, 'Pets', 'For dogs, cats and birds', '{Dog Bed,Cat Tree,Leash,Feeding Bowl,Carrier}', 7, 150)
) AS listed (id, name, description, nouns, cheapest, dearest);

INSERT INTO categories SELECT id, name, description FROM ranges;

-- 320 products are there from the beginning; 80 more come one after the other.
INSERT INTO products
SELECT
    n,
    r.id,
    ('{Nordic,Classic,Compact,Deluxe,Everyday}'::text[])[1 + place / 5] || ' ' || nouns[1 + place % 5],
    upper(left(r.name, 3)) || '-' || lpad(n::text, 4, '0'),
    round((cheapest + (dearest - cheapest) * pg_temp.unit('price', n) ^ 2)::numeric) - 0.01,
    stock,
    CASE WHEN n <= 320 AND n % 17 = 0 THEN 'discontinued' WHEN stock = 0 THEN 'out_of_stock' ELSE 'available' END,
    CASE
        WHEN n <= 320 THEN opened - pg_temp.unit('launch', n) * interval '60 days'
        ELSE opened + (n - 320) * interval '1095 days' / 80
    END
FROM clock, generate_series(1, 400) AS n
    JOIN ranges AS r ON r.id = 1 + (n - 1) % 16,
    LATERAL (SELECT
        (n - 1) / 16,
        CASE WHEN pg_temp.unit('sold out', n) > 0.07 THEN floor(pg_temp.unit('stock', n) ^ 2 * 400)::int ELSE 0 END
    ) AS placed (place, stock);

-- More orders each year, fewer at the weekend, most before the holidays; nothing after now.
CREATE TEMP TABLE placed ON COMMIT DROP AS
SELECT
    row_number() OVER (ORDER BY created_at)::int AS id,
    1 + floor(least(5000, 1 + floor(extract(epoch FROM created_at - start) / extract(epoch FROM step)))
        * pg_temp.unit('customer', seed) ^ 1.3)::int AS customer_id,
    created_at,
    1 + floor(5.99 * pg_temp.unit('lines', seed) ^ 2)::int AS lines,
    CASE WHEN discount < 0.8 THEN 0 WHEN discount < 0.95 THEN 0.1 ELSE 0.2 END AS discount,
    created_at + pg_temp.unit('packed', seed) * interval '30 hours' AS packed_at,
    pg_temp.unit('fate', seed) AS fate,
    seed
FROM clock, signup, generate_series(0, 1095) AS day,
    LATERAL (SELECT opened + day) AS calendar (date),
    LATERAL (SELECT round(
        27 * (1 + day / 1095.0)
        * (CASE extract(isodow FROM date) WHEN 6 THEN 0.8 WHEN 7 THEN 0.7 WHEN 1 THEN 1.15 ELSE 1 END)
        * (CASE extract(month FROM date) WHEN 11 THEN 1.3 WHEN 12 THEN 1.5 WHEN 7 THEN 0.9 ELSE 1 END)
        * (0.85 + 0.3 * pg_temp.unit('day', day))
    )::int) AS expected (number),
    generate_series(1, number) AS n,
    LATERAL (SELECT day * 1000 + n) AS numbered (seed),
    LATERAL (SELECT
        date + interval '6 hours' + (pg_temp.unit('hour', seed) + pg_temp.unit('minute', seed)) * interval '9 hours',
        pg_temp.unit('discount', seed)
    ) AS hashed (created_at, discount)
WHERE created_at < now;

ANALYZE placed, products;

INSERT INTO order_items
SELECT
    row_number() OVER (ORDER BY order_id, product_id),
    order_id,
    product_id,
    quantity,
    round(price * (1 - discount), 2)
FROM (
    SELECT o.id AS order_id, product.id AS product_id, discount,
        sum(1 + floor(3.2 * pg_temp.unit('quantity', seed * 10 + line) ^ 3)::int)::int AS quantity
    FROM clock, placed AS o, generate_series(1, lines) AS line,
        LATERAL (SELECT 1 + floor(
            (320 + floor(80 * extract(epoch FROM created_at - opened) / extract(epoch FROM interval '1095 days')))
            * pg_temp.unit('product', seed * 10 + line) ^ 1.7
        )::int OFFSET 0) AS popular (rank),
        LATERAL (SELECT CASE WHEN rank <= 320 THEN 1 + rank * 127 % 320 ELSE least(rank, 400) END OFFSET 0) AS drawn (drawn),
        -- A discontinued product is not sold any more; its neighbour is taken instead.
        LATERAL (SELECT CASE
            WHEN drawn <= 320 AND drawn % 17 = 0 AND created_at > now - interval '200 days' THEN drawn + 1 ELSE drawn
        END OFFSET 0) AS product (id)
    GROUP BY o.id, product.id, discount
) AS drawn
JOIN products ON products.id = product_id;

ANALYZE order_items;

INSERT INTO orders
SELECT
    id,
    customer_id,
    CASE WHEN status <> 'pending' THEN 1 + floor(240 * pg_temp.unit('handled', seed))::int END,
    status::order_status,
    CASE WHEN channel < 0.55 THEN 'web' WHEN channel < 0.94 THEN 'mobile' ELSE 'phone' END,
    total,
    created_at,
    CASE WHEN status IN ('shipped', 'delivered', 'returned') THEN shipped_at END,
    CASE WHEN status IN ('delivered', 'returned') THEN delivered_at END
FROM clock, placed
    JOIN (SELECT order_id, sum(quantity * unit_price) FROM order_items GROUP BY order_id) AS summed (order_id, total)
        ON order_id = id,
    LATERAL (SELECT packed_at + interval '2 hours' + pg_temp.unit('shipped', seed) * interval '40 hours' OFFSET 0) AS sent (shipped_at),
    LATERAL (SELECT
        shipped_at + interval '20 hours' + pg_temp.unit('delivered', seed) * interval '90 hours',
        pg_temp.unit('channel', seed)
        OFFSET 0
    ) AS arrived (delivered_at, channel),
    LATERAL (SELECT CASE
        WHEN fate < 0.05 AND packed_at < now THEN 'cancelled'
        WHEN fate > 0.9985 OR packed_at > now THEN 'pending'
        WHEN shipped_at > now THEN 'processing'
        WHEN delivered_at > now THEN 'shipped'
        WHEN fate < 0.09 AND delivered_at < now - interval '10 days' THEN 'returned'
        ELSE 'delivered'
    END OFFSET 0) AS decided (status);

INSERT INTO payments
SELECT row_number() OVER (ORDER BY created_at, order_id), order_id, method::payment_method, status, amount, created_at, paid_at
FROM (
    SELECT
        o.id AS order_id,
        CASE WHEN means < 0.52 THEN 'card' WHEN means < 0.82 THEN 'paypal' WHEN means < 0.95 THEN 'bank_transfer' ELSE 'gift_card' END AS method,
        attempt.status,
        total_amount AS amount,
        CASE attempt.status WHEN 'failed' THEN o.created_at ELSE o.created_at + interval '3 minutes' END AS created_at,
        CASE WHEN attempt.status IN ('completed', 'refunded')
            THEN o.created_at + interval '3 minutes' + (packed_at - o.created_at) * 0.8 * pg_temp.unit('paid', seed)
        END AS paid_at
    FROM orders AS o JOIN placed USING (id),
        LATERAL (SELECT pg_temp.unit('means', seed), pg_temp.unit('attempt', seed) OFFSET 0) AS hashed (means, luck),
        LATERAL (
            SELECT CASE o.status
                WHEN 'pending' THEN 'pending' WHEN 'returned' THEN 'refunded' WHEN 'cancelled' THEN 'refunded' ELSE 'completed'
            END WHERE o.status <> 'cancelled' OR luck > 0.5
            UNION ALL
            SELECT 'failed' WHERE luck < 0.04
        ) AS attempt (status)
) AS attempts;

INSERT INTO reviews
SELECT
    row_number() OVER (ORDER BY written_at, product_id, customer_id), product_id, customer_id, rating,
    (CASE
        WHEN rating = 5 THEN '{Exactly what I wanted.,Would buy it again.,Better than I expected.,Lovely and well made.}'
        WHEN rating = 4 THEN '{Good value for the price.,Does what it should.,Nice with small flaws.}'
        WHEN rating = 3 THEN '{It is all right.,Neither good nor bad.,Smaller than it looks.}'
        WHEN rating = 2 THEN '{Not as described.,The quality could be better.}'
        ELSE '{Broke after a week.,I sent it back.,Arrived damaged.}'
    END::text[])[1 + (bought % 12) / 4 % CASE WHEN rating < 3 THEN 2 ELSE 3 END],
    written_at
FROM clock, (
    SELECT DISTINCT ON (product_id, customer_id)
        product_id, customer_id, i.id AS bought,
        delivered_at + interval '1 day' + pg_temp.unit('written', i.id) * interval '20 days' AS written_at
    FROM order_items AS i JOIN orders AS o ON o.id = order_id
    WHERE delivered_at IS NOT NULL
    ORDER BY product_id, customer_id, delivered_at
) AS first_bought,
    LATERAL (SELECT pg_temp.unit('rating', bought) ^ (0.6 + pg_temp.unit('quality', product_id)) OFFSET 0) AS hashed (mood),
    LATERAL (SELECT CASE
        WHEN mood > 0.45 THEN 5 WHEN mood > 0.2 THEN 4 WHEN mood > 0.1 THEN 3 WHEN mood > 0.04 THEN 2 ELSE 1
    END OFFSET 0) AS rated (rating)
WHERE pg_temp.unit('reviewed', bought) < 0.15 AND written_at < now;

ALTER TABLE products
    ADD FOREIGN KEY (category_id) REFERENCES categories;
ALTER TABLE orders
    ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD FOREIGN KEY (handled_by) REFERENCES users;
ALTER TABLE order_items
    ADD FOREIGN KEY (order_id) REFERENCES orders,
    ADD FOREIGN KEY (product_id) REFERENCES products,
    ADD UNIQUE (order_id, product_id);
ALTER TABLE payments
    ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE reviews
    ADD FOREIGN KEY (product_id) REFERENCES products,
    ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD UNIQUE (product_id, customer_id);

CREATE INDEX ON products (category_id);
CREATE INDEX ON orders (customer_id, created_at);
CREATE INDEX ON orders (created_at);
CREATE INDEX ON orders (status);
CREATE INDEX ON orders (handled_by);
CREATE INDEX ON order_items (product_id);
CREATE INDEX ON payments (order_id);
CREATE INDEX ON payments (created_at);
CREATE INDEX ON reviews (customer_id);

COMMENT ON TABLE users IS 'People who work in the shop and sign in to its back office';
COMMENT ON COLUMN users.status IS 'active may sign in; invited has not signed in yet';
COMMENT ON COLUMN users.password_hash IS 'Argon2id hash of the password';
COMMENT ON TABLE customers IS 'People and companies that buy';
COMMENT ON COLUMN customers.segment IS 'Kind of customer';
COMMENT ON COLUMN customers.newsletter IS 'Gets the newsletter';
COMMENT ON COLUMN customers.created_at IS 'When the customer signed up';
COMMENT ON TABLE categories IS 'Kinds of product';
COMMENT ON TABLE products IS 'What the shop sells or has sold';
COMMENT ON COLUMN products.sku IS 'Stock keeping unit: the number on the box';
COMMENT ON COLUMN products.price IS 'List price of one unit today, in euros';
COMMENT ON COLUMN products.stock_quantity IS 'Units in the warehouse';
COMMENT ON COLUMN products.created_at IS 'When the product was launched';
COMMENT ON TABLE orders IS 'Orders of customers, one row each';
COMMENT ON COLUMN orders.handled_by IS 'The user who handles the order';
COMMENT ON COLUMN orders.channel IS 'Where the order was placed';
COMMENT ON COLUMN orders.total_amount IS 'Sum of quantity * unit_price of the order''s items, in euros';
COMMENT ON COLUMN orders.created_at IS 'When the order was placed';
COMMENT ON COLUMN orders.shipped_at IS 'When the order left the warehouse';
COMMENT ON COLUMN orders.delivered_at IS 'When the order reached the customer';
COMMENT ON TABLE order_items IS 'Products of an order. Revenue is the sum of quantity * unit_price';
COMMENT ON COLUMN order_items.quantity IS 'Units ordered';
COMMENT ON COLUMN order_items.unit_price IS 'Price of one unit in that order, after discount, in euros';
COMMENT ON TABLE payments IS 'Attempts to pay an order; a completed one is the order''s whole total';
COMMENT ON COLUMN payments.amount IS 'Amount in euros';
COMMENT ON COLUMN payments.created_at IS 'When the payment was tried';
COMMENT ON COLUMN payments.paid_at IS 'When the money arrived; empty while pending or failed';
COMMENT ON TABLE reviews IS 'What customers say of products that were delivered to them';
COMMENT ON COLUMN reviews.rating IS 'Stars from 1 (worst) to 5 (best)';

COMMIT;

ANALYZE;
