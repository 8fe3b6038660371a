-- How many entities were in each status on each of the last 30 days?
SELECT day, entity_set, status, entities
FROM reporting.status_by_day
JOIN reporting.tenants AS t USING (tenant_id)
WHERE day > (t.now AT TIME ZONE 'UTC')::date - make_interval(days => /*days*/ 30)
ORDER BY day, entity_set, status;
