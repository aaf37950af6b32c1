-- Asks the authorizer about a request, and lets it go on only after a 200. apache.conf says how it's used.

local http = require("socket.http")

-- Where the authorizer is.
local AUTHORIZER = "http://127.0.0.1:9180/auth"
http.TIMEOUT = 5

-- For the caller: the reason and the challenge of a refusal.
local TOLD = { "www-authenticate", "x-auth-reason", "x-auth-rule", "retry-after" }

-- What a client must not say: who calls, and what could tell the API another method, path or caller than those that
-- are judged. Some servers take underscores for hyphens.
local STARTS = { "x-auth", "x-forwarded-", "x-original-", "x-rewrite-" }
local NAMES = {
    ["x-http-method-override"] = true,
    ["x-http-method"] = true,
    ["x-method-override"] = true,
    ["x-method"] = true,
    ["forwarded"] = true,
    ["x-real-ip"] = true,
}

local function is_spoofed(name)
    local plain = name:lower():gsub("_", "-")
    for _, start in ipairs(STARTS) do
        if plain:sub(1, #start) == start then
            return true
        end
    end
    return NAMES[plain]
end

local function remove_spoofed(r)
    local spoofed = {}
    for name in pairs(r:headers_in_table()) do
        if is_spoofed(name) then
            spoofed[#spoofed + 1] = name
        end
    end
    for _, name in ipairs(spoofed) do
        r.headers_in[name] = nil
    end
end

function authorize(r)
    local _, target = r.the_request:match("^(%S+) (%S+)")
    local answered, status, headers = http.request({
        url = AUTHORIZER,
        redirect = false,
        headers = {
            ["x-original-method"] = r.method,
            ["x-original-uri"] = target,
            ["x-forwarded-for"] = r.useragent_ip,
            ["authorization"] = r.headers_in["Authorization"],
            ["dpop"] = r.headers_in["DPoP"],
            ["traceparent"] = r.headers_in["traceparent"],
            ["x-amzn-trace-id"] = r.headers_in["X-Amzn-Trace-Id"],
        },
    })
    if not answered then
        return 503
    end
    if status ~= 200 then
        for _, name in ipairs(TOLD) do
            if headers[name] then
                r.err_headers_out[name] = headers[name]
            end
        end
        return (status == 401 or status == 403) and status or 503
    end
    remove_spoofed(r)
    for name, value in pairs(headers) do
        if name:sub(1, 7) == "x-auth-" and value ~= "" then
            r.headers_in[name] = value
        end
    end
    return apache2.OK
end
