-- Hospitals whose database declares no key at all: columns refer to tables by bare names, or by keys named otherwise.

BEGIN;

CREATE TABLE hospital (
    hospital_id int,
    hospital_name text,
    city text,
    state text,
    beds int,
    founded_year int
);

CREATE TABLE physician (
    employee_id int,
    name text,
    position text,
    ssn int,
    hospital_id int,
    salary numeric
);

CREATE TABLE patient (
    ssn int,
    name text,
    address text,
    phone text,
    insurance_id int,
    pcp int,
    birth_date date,
    gender text
);

CREATE TABLE department (
    department_id int,
    name text,
    head int
);

CREATE TABLE affiliated_with (
    physician int,
    department int,
    primary_affiliation boolean
);

CREATE TABLE medication (
    code int,
    name text,
    brand text,
    description text,
    price numeric
);

CREATE TABLE prescribes (
    physician int,
    patient int,
    medication int,
    date timestamp,
    dose text
);

CREATE TABLE appointment (
    appointment_id int,
    patient_id int,
    physician_id int,
    start_time timestamp,
    end_time timestamp,
    room text,
    status text
);

CREATE TABLE room (
    room_number int,
    room_type text,
    block_floor int,
    unavailable boolean
);

CREATE TABLE stay (
    stay_id int,
    patient int,
    room int,
    stay_start timestamp,
    stay_end timestamp,
    cost numeric
);

INSERT INTO hospital
SELECT n,(ARRAY['General','Mercy','St. Anna','Lakeside','North'])[n],(ARRAY['Boston','Chicago','Boston','Denver','Chicago'])[n],(ARRAY['MA','IL','MA','CO','IL'])[n],100+n*37,1900+n*13
FROM generate_series(1,5) n;

INSERT INTO physician
SELECT n,'Dr '||chr(64+n),(ARRAY['Resident','Surgeon','Chief','Attending'])[1+n%4],1000+n,1+n*n%5,90000+n*3100
FROM generate_series(1,20) n;

INSERT INTO patient
SELECT 500+n,'Patient '||n,'Street '||n,'555-'||n,9000+n,1+n%20,date '1950-01-01'+n*400,(ARRAY['F','M'])[1+n%2]
FROM generate_series(1,40) n;

INSERT INTO department
SELECT n,(ARRAY['Cardiology','Surgery','Psychiatry'])[n],n*2
FROM generate_series(1,3) n;

INSERT INTO affiliated_with
SELECT n,1+n%3,n%4<>0
FROM generate_series(1,20) n;

INSERT INTO medication
SELECT n,(ARRAY['Aspirin','Ibuprofen','Zolpidem','Statin','Insulin'])[n],(ARRAY['Bayer','Pfizer','Bayer','Roche','Pfizer'])[n],'desc '||n,n*7.5
FROM generate_series(1,5) n;

INSERT INTO prescribes
SELECT 1+n*3%20,501+n*7%40,1+n%5,timestamp '2023-01-01'+n*interval '3 days',n::text
FROM generate_series(1,120) n;

INSERT INTO appointment
SELECT n,501+n*11%40,1+n*7%18,timestamp '2024-01-01 08:00'+n*interval '31 hours',timestamp '2024-01-01 08:00'+n*interval '31 hours'+interval '30 minutes',(ARRAY['A','B','C'])[1+n%3],(ARRAY['scheduled','completed','cancelled'])[1+n*n%7%3]
FROM generate_series(1,200) n;

INSERT INTO room
SELECT 100+n,(ARRAY['Single','Double','ICU'])[1+n%3],1+n%4,n%5=0
FROM generate_series(1,30) n;

INSERT INTO stay
SELECT n,501+n*3%35,101+n*7%30,timestamp '2024-02-01'+n*interval '2 days',timestamp '2024-02-01'+n*interval '2 days'+(n%6+1)*interval '1 day',n*37%900+100
FROM generate_series(1,60) n;

COMMIT;
