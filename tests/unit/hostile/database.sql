-- What the guard's own suites are about. Hidden are users.password_hash, products.cost, crm."Accounts".secret, secret_audit.
CREATE TYPE order_status AS ENUM ('pending', 'paid', 'shipped', 'cancelled');
CREATE TABLE users (
    id integer PRIMARY KEY,
    name text NOT NULL,
    email text,
    country varchar(2),
    tenant_id integer NOT NULL,
    score double precision,
    born date,
    active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    password_hash text
);
CREATE TABLE products (
    id integer PRIMARY KEY,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL,
    cost numeric(10, 2),
    tags text[] NOT NULL,
    attributes jsonb NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    user_id integer REFERENCES users (id),
    status order_status NOT NULL,
    total numeric(10, 2) NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivered_at timestamp without time zone,
    due date,
    note text
);
CREATE TABLE order_items (
    order_id integer REFERENCES orders (id),
    product_id integer REFERENCES products (id),
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE secret_audit (id integer, note text);
CREATE SCHEMA crm;
CREATE TABLE crm."Accounts" (
    "Id" integer PRIMARY KEY,
    "Full Name" text,
    "order" integer,
    "group" text,
    secret text
);
INSERT INTO users
SELECT n, 'User ' || chr(64 + n), CASE WHEN n % 4 > 0 THEN 'u' || n || '@example.com' END,
    (ARRAY['DE', 'FR', 'US'])[1 + n % 3], 1 + n % 2, CASE WHEN n % 5 > 0 THEN n * 1.5 END,
    date '1970-01-15' + n * 400, n % 3 > 0, timestamptz '2024-01-01 00:00+00' + n * interval '17 days 5 hours',
    'HASH' || n
FROM generate_series(1, 20) AS n;
INSERT INTO products
SELECT n, 'Product ' || n, 5 + n * 3.25, n, ARRAY['tag' || n % 3, 'all'],
    jsonb_build_object('color', (ARRAY['red', 'blue'])[1 + n % 2], 'size', jsonb_build_object('w', n), 'a.b', n)
FROM generate_series(1, 12) AS n;
INSERT INTO orders
SELECT n, 1 + n * 7 % 20, (enum_range(NULL::order_status))[1 + n % 4], 10 + n * 1.35,
    timestamptz '2024-03-01 10:30+00' + n * interval '3 days 7 hours',
    CASE WHEN n % 2 = 0 THEN timestamp '2024-03-05 08:00' + n * interval '3 days' END,
    date '2024-03-10' + n, CASE WHEN n % 6 = 0 THEN '100% o''k_' || n END
FROM generate_series(1, 60) AS n;
INSERT INTO order_items
SELECT o, 1 + (o * p) % 12, 1 + (o + p) % 4, 5 + p * 2.5
FROM generate_series(1, 60) AS o, generate_series(1, 3) AS p
ON CONFLICT DO NOTHING;
INSERT INTO secret_audit VALUES (1, 'top secret');
INSERT INTO crm."Accounts" VALUES (1, 'Ann', 3, 'x', 'S1'), (2, 'Bob', 1, 'y', 'S2'), (3, 'Cy', 2, 'x', 'S3');
