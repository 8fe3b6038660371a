-- How many entities were in each status on each of the last 30 days?
SELECT day, entity_set, status, entities
FROM reporting.status_by_day
WHERE day > (now() AT TIME ZONE 'UTC')::date - /*days*/ 30
ORDER BY day, entity_set, status;
