-- How far do partners get, and how long does it take them?
SELECT step_name, partners, round(share::numeric, 3) AS share, median_time
FROM reporting.onboarding_funnel
ORDER BY step;
