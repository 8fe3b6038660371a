-- Which onboarded remote assistance partners have not connected for a week, or never?
SELECT id, display_name, last_connection_at, staleness
FROM reporting.remote_assistance_partner_staleness
WHERE onboarding_status = 'onboarded' AND coalesce(stale_for >= make_interval(days => /*days*/ 7), true)
ORDER BY last_connection_at NULLS FIRST, id
LIMIT 1000;
