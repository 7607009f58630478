-- The rows of --demo: a week of temperatures, one row a minute, each a daily curve plus a random walk. It needs no table.
-- To store them in a table: create table temperatures as <this query>.
select
  n as row,
  timestamptz '2026-01-01 00:00Z' + n * interval '1 minute' as at,
  round((-2 - 3 * cos(n * pi() / 720) + 0.06 * sum(random() - 0.5) over walk)::numeric, 2)::float8 as oslo,
  round((13 - 4 * cos(n * pi() / 720) + 0.08 * sum(random() - 0.5) over walk)::numeric, 2)::float8 as lisbon,
  round((19 - 6 * cos(n * pi() / 720) + 0.07 * sum(random() - 0.5) over walk)::numeric, 2)::float8 as cairo
from generate_series(1, 10080) as n
window walk as (order by n)
