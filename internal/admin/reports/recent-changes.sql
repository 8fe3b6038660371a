-- Who changed what, of late?
SELECT changed_at, change, coalesce(changed_by_name, changed_by::text) AS who, partner_id,
    coalesce(after_display_name, before_display_name) AS display_name,
    before_onboarding_status, after_onboarding_status
FROM reporting.partner_changes
ORDER BY changed_at DESC, partner_id, version DESC
LIMIT 100;
