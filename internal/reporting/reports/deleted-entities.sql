-- Which entities were deleted recently, when, who deleted them, and what were they?
SELECT changed_at AS deleted_at, coalesce(changed_by_name, changed_by::text) AS who, entity_set, entity_id,
    c.display_name, before_status AS status, changed_at - entity_created_at AS lived_for
FROM reporting.changes AS c
JOIN reporting.tenants AS t USING (tenant_id)
WHERE change = 'delete' AND changed_at > t.now - make_interval(days => /*days*/ 30)
    AND /*who*/ '' IN ('', changed_by_name, changed_by::text)
ORDER BY changed_at DESC, entity_set, entity_id
LIMIT 1000;
