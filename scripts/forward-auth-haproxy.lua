-- Asks Gatehouse whether a request may pass, for scripts/forward-auth-haproxy.cfg, and leaves the
-- answer in variables of the transaction:
--     txn.gatehouse_status     200, 401 or 403; 503 when there is no answer that counts
--     txn.gatehouse_uid        who asks, with 200
--     txn.gatehouse_challenge  WWW-Authenticate, with 401

-- Where the frontend listens that passes questions on to the masters.
local destination = "abns@gatehouse-authorize"

-- How long a question may take, in milliseconds.
local patience = 10000

-- The values of a header as the client sent them. HAProxy counts from 0.
local function values(headers, name)
    local all, given = {}, headers[name] or {}
    local i = 0
    while given[i] do
        all[#all + 1] = given[i]
        i = i + 1
    end
    return all
end

-- The one value of a header of an answer; nil when there are more or none.
local function single(answer, name)
    local all = values(answer.headers or {}, name)
    if #all == 1 then
        return all[1]
    end
end

local function authorize(txn)
    txn:set_var("txn.gatehouse_status", 503)
    local sent = txn.http:req_get_headers()
    local answer = core.httpclient():get({
        url = "http://127.0.0.1/gatehouse/v1/authorize",
        dst = destination,
        timeout = patience,
        -- Credentials as they came, also if they make no sense, with what says whether another
        -- site made the browser send them; of the rest only what is asked.
        headers = {
            ["host"] = values(sent, "host"),
            ["authorization"] = values(sent, "authorization"),
            ["cookie"] = values(sent, "cookie"),
            ["origin"] = values(sent, "origin"),
            ["sec-fetch-site"] = values(sent, "sec-fetch-site"),
            ["x-original-method"] = { txn.f:method() },
            ["x-original-uri"] = { txn.f:pathq() },
            ["x-forwarded-for"] = { txn.f:src() },
        },
    })
    if not answer then
        return
    end
    if answer.status == 200 then
        local uid = single(answer, "x-gatehouse-uid")
        if uid then
            txn:set_var("txn.gatehouse_uid", uid)
            txn:set_var("txn.gatehouse_status", 200)
        end
    elseif answer.status == 401 then
        txn:set_var("txn.gatehouse_challenge", single(answer, "www-authenticate") or "acsjwt")
        txn:set_var("txn.gatehouse_status", 401)
    elseif answer.status == 403 then
        txn:set_var("txn.gatehouse_status", 403)
    end
end

core.register_action("gatehouse-authorize", { "http-req" }, authorize, 0)
