-- How far do remote assistance partners get, and how long does it take them?
SELECT step_name, reached, round(share::numeric, 3) AS share, median_time
FROM reporting.remote_assistance_partner_funnel
ORDER BY step;
