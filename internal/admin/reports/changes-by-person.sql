-- Who makes how many changes, and of which kind?
SELECT coalesce(changed_by_name, changed_by::text) AS who, change, count(*) AS changes, max(changed_at) AS last_at
FROM reporting.partner_changes
GROUP BY 1, 2
ORDER BY changes DESC, who, change;
