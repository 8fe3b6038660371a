-- How did the numbers develop in the last 30 days?
SELECT day,
    sum(partners) FILTER (WHERE onboarding_status = 'notOnboarded') AS not_onboarded,
    sum(partners) FILTER (WHERE onboarding_status = 'onboarding') AS onboarding,
    sum(partners) FILTER (WHERE onboarding_status = 'onboarded') AS onboarded
FROM reporting.status_by_day
WHERE day > (now() AT TIME ZONE 'UTC')::date - 30
GROUP BY day
ORDER BY day;
