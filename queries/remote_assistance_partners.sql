-- name: CreateRemoteAssistancePartner :one
INSERT INTO remote_assistance_partners (
    tenant_id, id, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset,
    created_at, created_by
) VALUES (
    @tenant_id, @id, @display_name, @onboarding_url, @onboarding_status,
    @last_connection_at, @last_connection_100ns, @last_connection_offset,
    @request_expiry_at, @request_expiry_100ns, @request_expiry_offset,
    @created_at, @created_by
)
RETURNING *;

-- name: GetRemoteAssistancePartner :one
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id = @id;

-- name: ListRemoteAssistancePartners :many
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id > @after
ORDER BY id
LIMIT @row_limit::bigint OFFSET @row_offset::bigint;

-- name: CountRemoteAssistancePartners :one
SELECT count(*) FROM remote_assistance_partners
WHERE tenant_id = @tenant_id;

-- name: UpdateRemoteAssistancePartner :one
WITH replaced AS (
    SELECT p.* FROM remote_assistance_partners AS p
    WHERE p.tenant_id = @tenant_id AND p.id = @id
    FOR UPDATE
), kept AS (
    INSERT INTO remote_assistance_partner_versions (
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, replaced_by_change, replaced_at, replaced_by
    )
    SELECT
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, 'update', @changed_at, @changed_by
    FROM replaced
)
UPDATE remote_assistance_partners AS p SET
    version = p.version + 1,
    display_name = CASE WHEN @set_display_name::boolean
        THEN sqlc.narg('display_name') ELSE p.display_name END,
    onboarding_url = CASE WHEN @set_onboarding_url::boolean
        THEN sqlc.narg('onboarding_url') ELSE p.onboarding_url END,
    onboarding_status = CASE WHEN @set_onboarding_status::boolean
        THEN @onboarding_status ELSE p.onboarding_status END,
    last_connection_at = CASE WHEN @set_last_connection::boolean
        THEN @last_connection_at ELSE p.last_connection_at END,
    last_connection_100ns = CASE WHEN @set_last_connection
        THEN @last_connection_100ns ELSE p.last_connection_100ns END,
    last_connection_offset = CASE WHEN @set_last_connection
        THEN @last_connection_offset ELSE p.last_connection_offset END,
    request_expiry_at = CASE WHEN @set_request_expiry::boolean
        THEN @request_expiry_at ELSE p.request_expiry_at END,
    request_expiry_100ns = CASE WHEN @set_request_expiry
        THEN @request_expiry_100ns ELSE p.request_expiry_100ns END,
    request_expiry_offset = CASE WHEN @set_request_expiry
        THEN @request_expiry_offset ELSE p.request_expiry_offset END
FROM replaced
WHERE p.tenant_id = @tenant_id AND p.id = @id AND p.tenant_id = replaced.tenant_id AND p.id = replaced.id
RETURNING p.*;

-- name: DeleteRemoteAssistancePartner :execrows
WITH replaced AS (
    DELETE FROM remote_assistance_partners AS p
    WHERE p.tenant_id = @tenant_id AND p.id = @id
    RETURNING p.*
)
INSERT INTO remote_assistance_partner_versions (
    tenant_id, id, version, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset,
    created_at, created_by, replaced_by_change, replaced_at, replaced_by
)
SELECT
    tenant_id, id, version, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset,
    created_at, created_by, 'delete', @changed_at, @changed_by
FROM replaced;

-- name: BeginOnboardingRemoteAssistancePartner :one
-- Returns the status before; it changes only from notOnboarded.
WITH before AS (
    SELECT p.* FROM remote_assistance_partners AS p
    WHERE p.tenant_id = @tenant_id AND p.id = @id
    FOR UPDATE
), kept AS (
    INSERT INTO remote_assistance_partner_versions (
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, replaced_by_change, replaced_at, replaced_by
    )
    SELECT
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, 'beginOnboarding', @changed_at, @changed_by
    FROM before
    WHERE before.onboarding_status = 'notOnboarded'
), changed AS (
    UPDATE remote_assistance_partners AS p SET
        version = p.version + 1,
        onboarding_status = 'onboarding',
        request_expiry_at = @request_expiry_at,
        request_expiry_100ns = @request_expiry_100ns,
        request_expiry_offset = @request_expiry_offset
    FROM before
    WHERE p.tenant_id = @tenant_id AND p.id = @id AND p.tenant_id = before.tenant_id AND p.id = before.id
        AND before.onboarding_status = 'notOnboarded'
)
SELECT onboarding_status FROM before;

-- name: DisconnectRemoteAssistancePartner :one
-- Returns the status before; it changes unless that is notOnboarded.
WITH before AS (
    SELECT p.* FROM remote_assistance_partners AS p
    WHERE p.tenant_id = @tenant_id AND p.id = @id
    FOR UPDATE
), kept AS (
    INSERT INTO remote_assistance_partner_versions (
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, replaced_by_change, replaced_at, replaced_by
    )
    SELECT
        tenant_id, id, version, display_name, onboarding_url, onboarding_status,
        last_connection_at, last_connection_100ns, last_connection_offset,
        request_expiry_at, request_expiry_100ns, request_expiry_offset,
        created_at, created_by, 'disconnect', @changed_at, @changed_by
    FROM before
    WHERE before.onboarding_status <> 'notOnboarded'
), changed AS (
    UPDATE remote_assistance_partners AS p SET
        version = p.version + 1,
        onboarding_status = 'notOnboarded',
        request_expiry_at = @request_expiry_at,
        request_expiry_100ns = @request_expiry_100ns,
        request_expiry_offset = @request_expiry_offset
    FROM before
    WHERE p.tenant_id = @tenant_id AND p.id = @id AND p.tenant_id = before.tenant_id AND p.id = before.id
        AND before.onboarding_status <> 'notOnboarded'
)
SELECT onboarding_status FROM before;
