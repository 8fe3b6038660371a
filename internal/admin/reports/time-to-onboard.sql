-- How long do partners take from the request until they confirm it?
SELECT count(*) AS onboardings,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY o.from_at - r.from_at) AS median,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY o.from_at - r.from_at) AS nine_in_ten
FROM reporting.time_in_status AS r
JOIN reporting.time_in_status AS o USING (tenant_id, partner_id, partner_created_at)
WHERE r.onboarding_status = 'onboarding' AND o.onboarding_status = 'onboarded' AND o.stay = r.stay + 1;
