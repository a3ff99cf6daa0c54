-- The rule of domain::limits::Meter, step by step, on the meter in KEYS[1]. A test holds the two against each other.
-- ARGV: the instant in microseconds, or '' for that of this Redis; then of each attempt the limit and the cost.
-- Answers of each attempt: whether it was admitted, what remains, and in microseconds after what time all is there again
-- and after what time the attempt would be admitted.
local SLOTS, SLOT = 61, 1000000

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * SLOT + tonumber(time[2])
end
local slot = math.floor(now / SLOT)

-- The counts by the remainder of the slot's number, then newest, last_spent and total.
local meter, changed
local stored = redis.call('GET', KEYS[1])
if stored then
    meter, changed = cmsgpack.unpack(stored), false
else
    meter, changed = {}, true
    for index = 1, SLOTS do meter[index] = 0 end
    meter[SLOTS + 1], meter[SLOTS + 2], meter[SLOTS + 3] = slot, slot, 0
end
local newest, last, total = meter[SLOTS + 1], meter[SLOTS + 2], meter[SLOTS + 3]

local behind = newest - slot
if behind >= SLOTS then
    -- The clock was set back by more than a window.
    local moved = {}
    for old = newest - SLOTS + 1, newest do
        moved[(old - behind) % SLOTS + 1] = meter[old % SLOTS + 1]
    end
    meter, newest, last, changed = moved, slot, last - behind, true
end
if slot - newest >= SLOTS then
    for index = 1, SLOTS do meter[index] = 0 end
    total, newest, changed = 0, slot, true
end
while newest < slot do
    newest, changed = newest + 1, true
    local place = newest % SLOTS + 1
    total = total - meter[place]
    meter[place] = 0
end

local function until_gone(of)
    return math.max((of + SLOTS) * SLOT - now, 0)
end

local function frees(missing)
    local freed = 0
    for old = newest - SLOTS + 1, newest do
        freed = freed + meter[old % SLOTS + 1]
        if missing <= freed then return until_gone(old) end
    end
    return until_gone(newest)
end

local answers = {}
for argument = 2, #ARGV, 2 do
    local limit, cost = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
    local missing = total + math.min(math.max(cost, 1), limit) - limit
    local admitted, remaining, retry = 0, 0, 0
    if missing <= 0 then
        local spent = math.min(cost, limit)
        if spent > 0 then
            local place = newest % SLOTS + 1
            meter[place] = meter[place] + spent
            total, last, changed = total + spent, newest, true
        end
        admitted, remaining = 1, limit - total
    else
        retry = frees(missing)
    end
    local resets = 0
    if total > 0 then resets = until_gone(last) end
    local at = #answers
    answers[at + 1], answers[at + 2], answers[at + 3], answers[at + 4] = admitted, remaining, resets, retry
end

if changed then
    meter[SLOTS + 1], meter[SLOTS + 2], meter[SLOTS + 3] = newest, last, total
    -- By then nothing of it counts.
    redis.call('SET', KEYS[1], cmsgpack.pack(meter), 'PX', (SLOTS + 1) * 1000)
end
return answers
