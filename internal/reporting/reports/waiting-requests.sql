-- Which remote assistance partners have been asked and have not answered, and until when may they?
SELECT p.id, p.display_name, s.duration AS waiting_for, p.request_expiry_at
FROM reporting.remote_assistance_partners AS p
JOIN reporting.time_in_status AS s ON s.tenant_id = p.tenant_id AND s.entity_set = 'remoteAssistancePartners' AND s.entity_id = p.id
    AND s.entity_created_at = p.created_at AND s.until_at IS NULL
WHERE p.onboarding_status = 'onboarding'
ORDER BY waiting_for DESC
LIMIT 1000;
