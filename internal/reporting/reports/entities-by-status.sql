-- How many entities are in each status now?
SELECT entity_set, status, count(*) AS entities
FROM reporting.time_in_status
WHERE until_at IS NULL
GROUP BY entity_set, status
ORDER BY entity_set, status;
