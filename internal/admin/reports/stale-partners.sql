-- Which onboarded partners have not connected for a week, or never?
SELECT partner_id, display_name, last_connection_at, staleness
FROM reporting.connection_staleness
WHERE onboarding_status = 'onboarded' AND staleness IN ('never', 'month', 'older')
ORDER BY last_connection_at NULLS FIRST, partner_id
LIMIT 1000;
