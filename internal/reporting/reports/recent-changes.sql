-- Who changed what recently?
SELECT changed_at, change, coalesce(changed_by_name, changed_by::text) AS who, entity_set, entity_id,
    c.display_name, before_status, after_status
FROM reporting.changes AS c
JOIN reporting.tenants AS t USING (tenant_id)
WHERE changed_at > t.now - make_interval(days => /*days*/ 30)
    AND /*who*/ '' IN ('', changed_by_name, changed_by::text)
ORDER BY changed_at DESC, entity_set, entity_id, version DESC
LIMIT 100;
