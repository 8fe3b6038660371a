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

-- name: CreateRemoteAssistancePartners :many
-- Many at once, of any tenants; in no promised order. The element i of each
-- array is of partner i; a text is null unless its has_ says so.
INSERT INTO remote_assistance_partners (
    tenant_id, id, display_name, onboarding_url, onboarding_status,
    last_connection_at, last_connection_100ns, last_connection_offset,
    request_expiry_at, request_expiry_100ns, request_expiry_offset,
    created_at, created_by
)
SELECT
    u.tenant_id, u.id,
    CASE WHEN u.has_display_name THEN u.display_name END,
    CASE WHEN u.has_onboarding_url THEN u.onboarding_url END,
    u.onboarding_status::onboarding_status,
    u.last_connection_at, u.last_connection_100ns, u.last_connection_offset,
    u.request_expiry_at, u.request_expiry_100ns, u.request_expiry_offset,
    u.created_at, u.created_by
FROM (
    SELECT
        unnest(@tenant_ids::uuid[]) AS tenant_id,
        unnest(@ids::uuid[]) AS id,
        unnest(@has_display_names::boolean[]) AS has_display_name,
        unnest(@display_names::text[]) AS display_name,
        unnest(@has_onboarding_urls::boolean[]) AS has_onboarding_url,
        unnest(@onboarding_urls::text[]) AS onboarding_url,
        unnest(@onboarding_statuses::text[]) AS onboarding_status,
        unnest(@last_connections_at::timestamptz[]) AS last_connection_at,
        unnest(@last_connections_100ns::smallint[]) AS last_connection_100ns,
        unnest(@last_connections_offset::smallint[]) AS last_connection_offset,
        unnest(@request_expiries_at::timestamptz[]) AS request_expiry_at,
        unnest(@request_expiries_100ns::smallint[]) AS request_expiry_100ns,
        unnest(@request_expiries_offset::smallint[]) AS request_expiry_offset,
        unnest(@created_at::timestamptz[]) AS created_at,
        unnest(@created_by::uuid[]) AS created_by
) AS u
RETURNING *;

-- name: GetRemoteAssistancePartner :one
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id = @id;

-- name: GetRemoteAssistancePartners :many
-- Many at once, of any tenants; in no promised order, and none for what isn't
-- there. Each is looked up by its key, however many the planner believes there
-- are: OFFSET keeps it from joining all with all.
SELECT p.*
FROM (
    SELECT unnest(@tenant_ids::uuid[]) AS tenant_id, unnest(@ids::uuid[]) AS id
) AS u
CROSS JOIN LATERAL (
    SELECT r.* FROM remote_assistance_partners AS r
    WHERE r.tenant_id = u.tenant_id AND r.id = u.id
    OFFSET 0
) AS p;

-- name: ListRemoteAssistancePartners :many
SELECT * FROM remote_assistance_partners
WHERE tenant_id = @tenant_id AND id > @after
ORDER BY id
LIMIT @row_limit::bigint OFFSET @row_offset::bigint;

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

-- name: UpdateRemoteAssistancePartners :many
-- Many at once, of any tenants, none of them twice; in no promised order, and none
-- for what isn't there or is being changed by another: it waits for nobody. The
-- element i of each array is of partner i; what is not to be set stays, and a text is
-- null unless its has_ says so.
WITH wanted AS (
    SELECT
        unnest(@tenant_ids::uuid[]) AS tenant_id,
        unnest(@ids::uuid[]) AS id,
        unnest(@changed_at::timestamptz[]) AS changed_at,
        unnest(@changed_by::uuid[]) AS changed_by,
        unnest(@set_display_names::boolean[]) AS set_display_name,
        unnest(@has_display_names::boolean[]) AS has_display_name,
        unnest(@display_names::text[]) AS display_name,
        unnest(@set_onboarding_urls::boolean[]) AS set_onboarding_url,
        unnest(@has_onboarding_urls::boolean[]) AS has_onboarding_url,
        unnest(@onboarding_urls::text[]) AS onboarding_url,
        unnest(@set_onboarding_statuses::boolean[]) AS set_onboarding_status,
        unnest(@onboarding_statuses::text[]) AS onboarding_status,
        unnest(@set_last_connections::boolean[]) AS set_last_connection,
        unnest(@last_connections_at::timestamptz[]) AS last_connection_at,
        unnest(@last_connections_100ns::smallint[]) AS last_connection_100ns,
        unnest(@last_connections_offset::smallint[]) AS last_connection_offset,
        unnest(@set_request_expiries::boolean[]) AS set_request_expiry,
        unnest(@request_expiries_at::timestamptz[]) AS request_expiry_at,
        unnest(@request_expiries_100ns::smallint[]) AS request_expiry_100ns,
        unnest(@request_expiries_offset::smallint[]) AS request_expiry_offset
), replaced AS (
    SELECT p.*, w.changed_at, w.changed_by
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT r.* FROM remote_assistance_partners AS r
        WHERE r.tenant_id = w.tenant_id AND r.id = w.id
        FOR UPDATE SKIP LOCKED
    ) AS p
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
        created_at, created_by, 'update', changed_at, changed_by
    FROM replaced
)
UPDATE remote_assistance_partners AS p SET
    version = p.version + 1,
    display_name = CASE WHEN NOT w.set_display_name THEN p.display_name
        WHEN w.has_display_name THEN w.display_name END,
    onboarding_url = CASE WHEN NOT w.set_onboarding_url THEN p.onboarding_url
        WHEN w.has_onboarding_url THEN w.onboarding_url END,
    onboarding_status = CASE WHEN w.set_onboarding_status
        THEN w.onboarding_status::onboarding_status ELSE p.onboarding_status END,
    last_connection_at = CASE WHEN w.set_last_connection
        THEN w.last_connection_at ELSE p.last_connection_at END,
    last_connection_100ns = CASE WHEN w.set_last_connection
        THEN w.last_connection_100ns ELSE p.last_connection_100ns END,
    last_connection_offset = CASE WHEN w.set_last_connection
        THEN w.last_connection_offset ELSE p.last_connection_offset END,
    request_expiry_at = CASE WHEN w.set_request_expiry
        THEN w.request_expiry_at ELSE p.request_expiry_at END,
    request_expiry_100ns = CASE WHEN w.set_request_expiry
        THEN w.request_expiry_100ns ELSE p.request_expiry_100ns END,
    request_expiry_offset = CASE WHEN w.set_request_expiry
        THEN w.request_expiry_offset ELSE p.request_expiry_offset END
FROM wanted AS w
JOIN replaced AS r ON r.tenant_id = w.tenant_id AND r.id = w.id
WHERE p.tenant_id = r.tenant_id AND p.id = r.id
RETURNING p.*;

-- name: DeleteRemoteAssistancePartner :one
-- Returns the status before.
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
FROM replaced
RETURNING onboarding_status;

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

-- name: ChangeRemoteAssistancePartners :many
-- What the three above do, many at once, of any tenants, none of them twice; in no
-- promised order, and none for what isn't there or is being changed by another: it
-- waits for nobody. The element i of each array is of partner i. Each is looked up by
-- its key, however few the planner believes there are: of a kind, it expects one.
WITH wanted AS (
    SELECT
        unnest(@tenant_ids::uuid[]) AS tenant_id,
        unnest(@ids::uuid[]) AS id,
        unnest(@changes::text[]) AS change,
        unnest(@changed_at::timestamptz[]) AS changed_at,
        unnest(@changed_by::uuid[]) AS changed_by,
        unnest(@request_expiries_at::timestamptz[]) AS expiry_at,
        unnest(@request_expiries_100ns::smallint[]) AS expiry_100ns,
        unnest(@request_expiries_offset::smallint[]) AS expiry_offset
), before AS (
    SELECT
        p.*, w.change::partner_change AS change, w.changed_at, w.changed_by, w.expiry_at, w.expiry_100ns, w.expiry_offset,
        CASE w.change
            WHEN 'beginOnboarding' THEN p.onboarding_status = 'notOnboarded'
            WHEN 'disconnect' THEN p.onboarding_status <> 'notOnboarded'
            WHEN 'delete' THEN true
        END AS applies
    FROM wanted AS w
    CROSS JOIN LATERAL (
        SELECT r.* FROM remote_assistance_partners AS r
        WHERE r.tenant_id = w.tenant_id AND r.id = w.id
        FOR UPDATE SKIP LOCKED
    ) AS p
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
        created_at, created_by, change, changed_at, changed_by
    FROM before
    WHERE applies
), changed AS (
    UPDATE remote_assistance_partners AS p SET
        version = p.version + 1,
        onboarding_status = (CASE b.change WHEN 'beginOnboarding' THEN 'onboarding' ELSE 'notOnboarded' END)::onboarding_status,
        request_expiry_at = b.expiry_at,
        request_expiry_100ns = b.expiry_100ns,
        request_expiry_offset = b.expiry_offset
    FROM before AS b
    WHERE p.tenant_id = b.tenant_id AND p.id = b.id AND b.applies AND b.change IN ('beginOnboarding', 'disconnect')
), deleted AS (
    DELETE FROM remote_assistance_partners AS p USING before AS b
    WHERE p.tenant_id = b.tenant_id AND p.id = b.id AND b.change = 'delete'
)
SELECT tenant_id, id, onboarding_status FROM before;

-- name: PartnerIDWasUsed :one
-- Whether a partner has the id, or had it before it was deleted.
SELECT (EXISTS (
    SELECT FROM remote_assistance_partners AS p WHERE p.tenant_id = @tenant_id AND p.id = @id
) OR EXISTS (
    SELECT FROM remote_assistance_partner_versions AS v WHERE v.tenant_id = @tenant_id AND v.id = @id
))::boolean AS was_used;

-- name: CountPartnersUpTo :one
SELECT count(*) FROM (
    SELECT FROM remote_assistance_partners AS p WHERE p.tenant_id = @tenant_id LIMIT @most::bigint
) AS p;

-- name: ActOnRemoteAssistancePartner :one
-- What the partner's side does: it changes only what is in the status that it is
-- to be in. Returns what it was before.
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
        created_at, created_by, @change::partner_change, @changed_at, @changed_by
    FROM before
    WHERE before.onboarding_status::text = @from_status::text
), changed AS (
    UPDATE remote_assistance_partners AS p SET
        version = p.version + 1,
        onboarding_status = @to_status,
        last_connection_at = CASE WHEN @set_last_connection::boolean THEN @last_connection_at ELSE p.last_connection_at END,
        last_connection_100ns = CASE WHEN @set_last_connection THEN @last_connection_100ns ELSE p.last_connection_100ns END,
        last_connection_offset = CASE WHEN @set_last_connection THEN @last_connection_offset ELSE p.last_connection_offset END,
        request_expiry_at = CASE WHEN @set_request_expiry::boolean THEN @request_expiry_at ELSE p.request_expiry_at END,
        request_expiry_100ns = CASE WHEN @set_request_expiry THEN @request_expiry_100ns ELSE p.request_expiry_100ns END,
        request_expiry_offset = CASE WHEN @set_request_expiry THEN @request_expiry_offset ELSE p.request_expiry_offset END
    FROM before
    WHERE p.tenant_id = @tenant_id AND p.id = @id AND p.tenant_id = before.tenant_id AND p.id = before.id
        AND before.onboarding_status::text = @from_status::text
)
SELECT onboarding_status FROM before;
