WITH a AS (
    SELECT x, y
    FROM t
    WHERE a BETWEEN $1 AND $2
      OR b IN (1, 2)
), b AS (
    SELECT CASE WHEN a AND b THEN 1 END
    FROM a
)
SELECT a.x,
  ROW_NUMBER() OVER (PARTITION BY a.x ORDER BY a.y DESC) AS n,
  EXTRACT(YEAR FROM a.d) AS order_year,
  a."select  x"
FROM (
    SELECT 1.5 - -2 AS x
  ) AS a
LEFT OUTER JOIN b ON a.x = b.c
WHERE EXISTS(
    SELECT 1
    FROM c
    WHERE c.name = 'it''s  -- x'
  )
  AND NOT a.z IS NULL
LIMIT CAST($4 AS BIGINT)
