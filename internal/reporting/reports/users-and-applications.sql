-- Who can sign in, and by which applications?
SELECT 'user' AS kind, user_principal_name AS name, id, enabled, created_at
FROM reporting.users
UNION ALL
SELECT 'application', display_name, client_id, true, created_at
FROM reporting.applications
ORDER BY kind, name, id
LIMIT 1000;
