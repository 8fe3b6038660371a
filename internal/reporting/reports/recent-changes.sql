-- Who changed what recently?
SELECT changed_at, change, coalesce(changed_by_name, changed_by::text) AS who, entity_set, entity_id,
    display_name, before_status, after_status
FROM reporting.changes
WHERE changed_at > now() - make_interval(days => /*days*/ 30)
    AND /*who*/ '' IN ('', changed_by_name, changed_by::text)
ORDER BY changed_at DESC, entity_set, entity_id, version DESC
LIMIT 100;
