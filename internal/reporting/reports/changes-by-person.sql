-- Who made how many changes recently, and of which kind?
SELECT coalesce(changed_by_name, changed_by::text) AS who, entity_set, change, count(*) AS changes, max(changed_at) AS last_at
FROM reporting.changes
JOIN reporting.tenants AS t USING (tenant_id)
WHERE changed_at > t.now - make_interval(days => /*days*/ 30)
GROUP BY 1, 2, 3
ORDER BY changes DESC, who, entity_set, change;
