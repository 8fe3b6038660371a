-- Keeps report logins out of these databases; see docs/reporting.md.
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
