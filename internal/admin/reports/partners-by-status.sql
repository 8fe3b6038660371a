-- How many partners are in each status now?
SELECT onboarding_status, count(*) AS partners
FROM reporting.partners
GROUP BY onboarding_status
ORDER BY onboarding_status;
