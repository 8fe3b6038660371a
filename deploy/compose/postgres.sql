-- Report logins have no business in these; see docs/reporting.md.
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
