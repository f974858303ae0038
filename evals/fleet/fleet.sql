-- A delivery company's fleet, for questions of other shapes than the shop's: names that abbreviate, keys that only
-- their names relate, two references to one table, dates without a time. Every value follows from its row's number.

BEGIN;

CREATE TABLE depots (
    depot_id   integer PRIMARY KEY,
    depot_name text NOT NULL,
    city       text NOT NULL,
    country    text NOT NULL,
    capacity   integer NOT NULL
);

CREATE TABLE vehicles (
    vehicle_id   integer PRIMARY KEY,
    depot_id     integer NOT NULL REFERENCES depots,
    plate        text NOT NULL UNIQUE,
    make         text NOT NULL,
    fuel_type    text NOT NULL,
    status       text NOT NULL,
    build_year   integer NOT NULL,
    mileage_km   integer NOT NULL,
    purchase_price numeric(10, 2) NOT NULL,
    sold_on      date
);

CREATE TABLE drivers (
    driver_id     integer PRIMARY KEY,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    licence_class text NOT NULL,
    is_active     boolean NOT NULL,
    hired_on      date NOT NULL,
    depot_id      integer REFERENCES depots
);

CREATE TABLE trips (
    trip_id      integer PRIMARY KEY,
    vehicle_id   integer NOT NULL REFERENCES vehicles,
    driver_id    integer NOT NULL REFERENCES drivers,
    distance_km  numeric(7, 1) NOT NULL,
    fuel_litres  numeric(6, 1) NOT NULL,
    started_at   timestamp NOT NULL,
    ended_at     timestamp
);

-- Nothing declares that these belong to vehicles and drivers.
CREATE TABLE maintenance_jobs (
    job_id     integer NOT NULL,
    vehicle_id integer NOT NULL,
    kind       text NOT NULL,
    workshop   text NOT NULL,
    cost       numeric(9, 2) NOT NULL,
    done_on    date NOT NULL
);

CREATE TABLE fines (
    fine_id   integer NOT NULL,
    driver_id integer NOT NULL,
    reason    text NOT NULL,
    amount    numeric(8, 2) NOT NULL,
    paid      boolean NOT NULL,
    issued_on date NOT NULL
);

CREATE TABLE skills (
    skill_id   integer PRIMARY KEY,
    skill_name text NOT NULL
);

CREATE TABLE driver_skills (
    driver_id integer NOT NULL REFERENCES drivers,
    skill_id  integer NOT NULL REFERENCES skills,
    PRIMARY KEY (driver_id, skill_id)
);

INSERT INTO depots VALUES
    (1, 'Harbour', 'Hamburg', 'Germany', 60), (2, 'Airport', 'Frankfurt', 'Germany', 45),
    (3, 'Canal', 'Amsterdam', 'Netherlands', 30), (4, 'Ring', 'Vienna', 'Austria', 25), (5, 'Old Mill', 'Graz', 'Austria', 10);

INSERT INTO vehicles
SELECT n, 1 + (n * 7) % 4, 'FL-' || lpad((n * 37 % 1000)::text, 3, '0') || '-' || n,
       (ARRAY['Volvo', 'Scania', 'MAN', 'Iveco', 'Renault'])[1 + n * n % 5],
       (ARRAY['diesel', 'electric', 'hybrid'])[1 + n % 7 % 3],
       (ARRAY['available', 'in repair', 'retired'])[1 + n * 3 % 11 % 3],
       2010 + n * 5 % 14, 4000 + n * 7919 % 380000, 28000 + n * 1237 % 90000,
       CASE WHEN n % 9 = 0 THEN date '2024-01-01' + n * 3 END
FROM generate_series(1, 90) AS n;

INSERT INTO drivers
SELECT n, (ARRAY['Anna', 'Bjorn', 'Chiara', 'David', 'Eva', 'Filip', 'Greta'])[1 + n % 7],
       (ARRAY['Novak', 'Olsen', 'Peters', 'Quist', 'Rossi', 'Schmidt', 'Tamm', 'Urban'])[1 + n * 5 % 8] || ' ' || n,
       (ARRAY['B', 'C', 'CE'])[1 + n % 3], n % 5 <> 0, date '2016-03-01' + n * 53 % 3300, NULLIF(n % 6, 0)
FROM generate_series(1, 60) AS n;

INSERT INTO trips
SELECT n, 1 + n * 31 % 84, 1 + n * 17 % 55, 12 + n * 97 % 640 + n % 10 / 10.0, 5 + n * 13 % 120 + n % 4 / 2.0,
       timestamp '2023-01-01 06:00' + n * interval '7 hours',
       CASE WHEN n % 50 > 0 THEN timestamp '2023-01-01 06:00' + n * interval '7 hours' + (30 + n % 400) * interval '1 minute' END
FROM generate_series(1, 4000) AS n;

INSERT INTO maintenance_jobs
SELECT n, 1 + n * 13 % 88, (ARRAY['brakes', 'tyres', 'oil change', 'inspection'])[1 + n * n % 7 % 4],
       (ARRAY['Nord Garage', 'Alpen Werk', 'Quickfix'])[1 + n % 3], 80 + n * 331 % 2900 + n % 100 / 100.0, date '2022-06-01' + n * 3
FROM generate_series(1, 420) AS n;

INSERT INTO fines
SELECT n, 1 + n * 11 % 50, (ARRAY['speeding', 'parking', 'red light'])[1 + n * n % 5 % 3], 20 + n * 29 % 380, n % 3 <> 0,
       date '2023-01-10' + n * 9
FROM generate_series(1, 150) AS n;

INSERT INTO skills VALUES (1, 'refrigerated goods'), (2, 'dangerous goods'), (3, 'heavy loads'), (4, 'live animals');

INSERT INTO driver_skills
SELECT d, s FROM generate_series(1, 60) AS d, generate_series(1, 4) AS s WHERE (d * 7 + s * 5) % 4 = 0 OR (d + s) % 9 = 0;

COMMIT;
