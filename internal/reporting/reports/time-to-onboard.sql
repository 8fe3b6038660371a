-- How long do remote assistance partners take from the request until they confirm it?
SELECT count(*) AS onboardings,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY o.from_at - r.from_at) AS median,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY o.from_at - r.from_at) AS nine_in_ten
FROM reporting.time_in_status AS r
JOIN reporting.time_in_status AS o USING (tenant_id, entity_set, entity_id, entity_created_at)
WHERE r.entity_set = 'remoteAssistancePartners'
    AND r.status = 'onboarding' AND o.status = 'onboarded' AND o.stay = r.stay + 1;
