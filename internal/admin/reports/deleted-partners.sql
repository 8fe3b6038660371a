-- Which partners were deleted, when, by whom, and what were they?
SELECT changed_at AS deleted_at, coalesce(changed_by_name, changed_by::text) AS who, partner_id,
    before_display_name AS display_name, before_onboarding_status AS onboarding_status, changed_at - partner_created_at AS lived_for
FROM reporting.partner_changes
WHERE change = 'delete'
ORDER BY changed_at DESC, partner_id
LIMIT 1000;
