-- Onboardings that have expired by their tenants' clocks.

-- name: ListExpiredOnboardings :many
-- Lists onboardings that have expired since their last change, in the order of their expiry.
-- It leaves out those whose expiry was already past when somebody wrote it.
SELECT p.id, p.request_expiry_ticks FROM remote_assistance_partners AS p
WHERE p.tenant_id = @tenant_id AND p.onboarding_status = 'onboarding' AND p.request_expiry_ticks > 0 AND p.request_expiry_ticks <= @now_ticks
AND instant_of(p.request_expiry_ticks) > COALESCE((
    SELECT v.changed_at FROM entity_versions AS v
    WHERE v.tenant_id = @tenant_id AND v.entity = 'remoteAssistancePartner' AND v.id = p.id AND v.version = p.version - 1
    ORDER BY v.changed_at DESC LIMIT 1
), p.created_at)
ORDER BY p.request_expiry_ticks LIMIT @row_limit::bigint;

-- name: ListTenantsWithOnboardings :many
-- Lists tenants that have onboardings, with the next expiry of each.
SELECT sqlc.embed(t), p.ticks FROM tenants AS t
CROSS JOIN LATERAL (
    SELECT COALESCE(min(o.request_expiry_ticks), 0)::bigint AS ticks FROM remote_assistance_partners AS o
    WHERE o.tenant_id = t.id AND o.onboarding_status = 'onboarding' AND o.request_expiry_ticks > 0
) AS p
WHERE t.kind = 'tenant' AND p.ticks > 0;

-- name: LockOnboarding :one
-- Keeps others from changing a partner until the transaction ends.
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id = @id
FOR UPDATE;
