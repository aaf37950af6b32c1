-- Asks the authorizer about a request, and lets it go on only after a 200. haproxy.cfg says how it's used.

local TIMEOUT_MS = 5000

-- Every value of a header as it came: two of them are for the authorizer to refuse.
local function values(headers, name)
    local list = {}
    local sent = headers[name]
    local at = 0
    while sent and sent[at] do
        list[#list + 1] = sent[at]
        at = at + 1
    end
    return list
end

local function ask(txn)
    local headers = txn.http:req_get_headers()
    local question = {
        ["x-original-method"] = { txn.f:method() or "" },
        ["x-original-uri"] = { txn.f:pathq() or "" },
        ["x-forwarded-for"] = { txn.f:src() or "" },
    }
    for _, name in ipairs({ "authorization", "dpop", "traceparent", "x-amzn-trace-id" }) do
        local sent = values(headers, name)
        if #sent > 0 then
            question[name] = sent
        end
    end
    return core.httpclient():get({
        url = os.getenv("AUTHORIZER"),
        headers = question,
        timeout = TIMEOUT_MS,
    })
end

-- For the caller: the reason and the challenges of a refusal.
local TOLD = {
    ["www-authenticate"] = true,
    ["x-auth-reason"] = true,
    ["x-auth-rule"] = true,
    ["content-type"] = true,
    ["cache-control"] = true,
    ["retry-after"] = true,
}

local function refuse(txn, status, answer)
    local reply = txn:reply({ status = status })
    if answer then
        for name in pairs(answer.headers or {}) do
            if TOLD[name] then
                for _, value in ipairs(values(answer.headers, name)) do
                    reply:add_header(name, value)
                end
            end
        end
        reply:set_body(answer.body or "")
    end
    txn:done(reply)
end

core.register_action("authorize", { "http-req" }, function(txn)
    txn:set_var("txn.authorized", false)
    local asked, answer = pcall(ask, txn)
    if not asked or not answer then
        return refuse(txn, 503)
    end
    if answer.status == 401 or answer.status == 403 then
        return refuse(txn, answer.status, answer)
    end
    if answer.status ~= 200 then
        return refuse(txn, 503)
    end
    for name in pairs(answer.headers) do
        -- The header of a claim that the token doesn't have is empty.
        local value = values(answer.headers, name)[1]
        if name:sub(1, 7) == "x-auth-" and value and value ~= "" then
            txn.http:req_set_header(name, value)
        end
    end
    txn:set_var("txn.authorized", true)
end)
