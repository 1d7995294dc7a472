#!lua name=mawep

-- Everything that must happen on the bus in one step. All keys of a call share one hash tag (the run),
-- all times are the server's own. Replies are lists that start with a word saying what happened.

local SEEN_LIMIT = 20000       -- ids remembered per channel: more than any mailbox or capped stream holds
local CAPPED_LENGTH = 10000    -- entries a broadcast or status stream keeps, roughly
local DEAD_LETTER_LENGTH = 1000

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- True when stream id `a` comes after stream id `b`.
local function later(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  a_ms, a_seq, b_ms, b_seq = tonumber(a_ms), tonumber(a_seq), tonumber(b_ms), tonumber(b_seq)
  return a_ms > b_ms or (a_ms == b_ms and a_seq > b_seq)
end

-- Keep `id` -> `entry`, and drop the oldest beyond the limit.
local function remember(seen, entries, id, entry)
  redis.call('ZADD', seen, now_ms(), id)
  redis.call('HSET', entries, id, entry)
  local excess = redis.call('ZCARD', seen) - SEEN_LIMIT
  if excess > 0 then
    local dropped = redis.call('ZPOPMIN', seen, excess)
    for i = 1, #dropped, 2 do
      redis.call('HDEL', entries, dropped[i])
    end
  end
end

-- Each entry names the one before it, so that a reader sees what was trimmed away in front of it.
local function append(stream, meta, envelope, capped)
  local before = redis.call('HGET', meta, 'last') or '0-0'
  local entry
  if capped then
    entry = redis.call('XADD', stream, 'MAXLEN', '~', CAPPED_LENGTH, '*', 'envelope', envelope, 'before', before)
  else
    entry = redis.call('XADD', stream, '*', 'envelope', envelope, 'before', before)
  end
  redis.call('HSET', meta, 'last', entry)
  return entry
end

-- KEYS stream seen entries meta; ARGV id sender seq envelope quota ('0': a capped stream, not a mailbox)
-- -> sent|duplicate entry acknowledged, behind last_seq, full length
local function send(keys, args)
  local stream, seen, entries, meta = keys[1], keys[2], keys[3], keys[4]
  local id, sender, seq, envelope, quota = args[1], args[2], tonumber(args[3]), args[4], tonumber(args[5])
  local acknowledged = redis.call('HGET', meta, 'acknowledged') or '0-0'
  local known = redis.call('HGET', entries, id)
  if known then
    return {'duplicate', known, acknowledged}
  end
  local last = tonumber(redis.call('HGET', meta, 'sent:' .. sender) or '0')
  if seq <= last then
    return {'behind', whole(last)}
  end
  if quota > 0 and redis.call('XLEN', stream) >= quota then
    return {'full', whole(redis.call('XLEN', stream))}
  end
  local entry = append(stream, meta, envelope, quota == 0)
  redis.call('HSET', meta, 'sent:' .. sender, whole(seq))
  remember(seen, entries, id, entry)
  redis.call('PUBLISH', stream, envelope) -- last: if it is refused, the same id sent again is a duplicate
  return {'sent', entry, acknowledged}
end

-- KEYS stream meta; ARGV entry, then pairs of (sender, greatest seq handled) -> acknowledged entry | beyond last
local function acknowledge(keys, args)
  local stream, meta, entry = keys[1], keys[2], args[1]
  local last = redis.call('HGET', meta, 'last') or '0-0'
  if later(entry, last) then
    return {'beyond', last}
  end
  for i = 2, #args, 2 do
    redis.call('HSET', meta, 'handled:' .. args[i], args[i + 1])
  end
  local acknowledged = redis.call('HGET', meta, 'acknowledged') or '0-0'
  if later(entry, acknowledged) then
    redis.call('HSET', meta, 'acknowledged', entry)
    redis.call('XTRIM', stream, 'MINID', '=', entry)
    acknowledged = entry
  end
  return {'acknowledged', acknowledged}
end

-- KEYS dead_letters seen entries; ARGV channel entry reason detail raw -> buried|duplicate entry
local function bury(keys, args)
  local stream, seen, entries = keys[1], keys[2], keys[3]
  local id = args[1] .. ' ' .. args[2]
  local known = redis.call('HGET', entries, id)
  if known then
    return {'duplicate', known}
  end
  local entry = redis.call('XADD', stream, 'MAXLEN', '~', DEAD_LETTER_LENGTH, '*', 'channel', args[1],
    'entry', args[2], 'reason', args[3], 'detail', args[4], 'raw', args[5])
  remember(seen, entries, id, entry)
  return {'buried', entry}
end

local function read_lease(key)
  local raw = redis.call('HMGET', key, 'fence', 'owner', 'state', 'request', 'expires', 'entry', 'digest')
  return {fence = tonumber(raw[1] or '0'), owner = raw[2], state = raw[3], request = raw[4],
    expires = tonumber(raw[5] or '0'), entry = raw[6], digest = raw[7]}
end

-- KEYS lease; ARGV owner fence request ttl_ms floor -> held | stale greatest_fence
local function acquire(keys, args)
  local owner, fence, request, ttl, floor = args[1], tonumber(args[2]), args[3], tonumber(args[4]), tonumber(args[5])
  local lease = read_lease(keys[1])
  local repeated = lease.fence == fence and lease.owner == owner and lease.request == request and lease.state == 'held'
  if fence <= floor or (fence <= lease.fence and not repeated) then
    return {'stale', whole(math.max(lease.fence, floor))}
  end
  if not repeated then
    redis.call('DEL', keys[1])
  end
  redis.call('HSET', keys[1], 'owner', owner, 'fence', whole(fence), 'request', request, 'state', 'held',
    'expires', whole(now_ms() + ttl))
  return {'held'}
end

-- What keeps (owner, fence) from using the lease, or nil.
local function obstacle(lease, owner, fence)
  if lease.fence > fence then
    return {'stale', whole(lease.fence)}
  end
  if lease.fence ~= fence or lease.owner ~= owner or lease.state ~= 'held' then
    return {'lost', lease.state or 'never acquired'}
  end
  return nil
end

-- KEYS lease; ARGV owner fence ttl_ms -> held | stale greatest_fence | lost state
local function renew(keys, args)
  local refused = obstacle(read_lease(keys[1]), args[1], tonumber(args[2]))
  if refused then
    return refused
  end
  redis.call('HSET', keys[1], 'expires', whole(now_ms() + tonumber(args[3])))
  return {'held'}
end

-- KEYS lease; ARGV owner fence -> released | stale greatest_fence | lost state
local function release(keys, args)
  local refused = obstacle(read_lease(keys[1]), args[1], tonumber(args[2]))
  if refused then
    return refused
  end
  redis.call('HSET', keys[1], 'state', 'released', 'expires', '0')
  return {'released'}
end

-- KEYS lease results results_meta; ARGV owner fence payload digest -> committed entry | stale fence | lost state
local function commit(keys, args)
  local owner, fence, payload, digest = args[1], tonumber(args[2]), args[3], args[4]
  local lease = read_lease(keys[1])
  if lease.fence == fence and lease.owner == owner and lease.state == 'done' and lease.digest == digest then
    return {'committed', lease.entry}
  end
  local refused = obstacle(lease, owner, fence)
  if refused then
    return refused
  end
  local entry = append(keys[2], keys[3], payload, false)
  redis.call('HSET', keys[1], 'state', 'done', 'entry', entry, 'digest', digest, 'expires', '0')
  redis.call('PUBLISH', keys[2], payload)
  return {'committed', entry}
end

-- KEYS lease -> owner fence remaining_ms, or nothing
local function holder(keys, args)
  local lease = read_lease(keys[1])
  local remaining = lease.expires - now_ms()
  if lease.state ~= 'held' or remaining <= 0 then
    return {}
  end
  return {lease.owner, whole(lease.fence), whole(remaining)}
end

redis.register_function('mawep_send', send)
redis.register_function('mawep_acknowledge', acknowledge)
redis.register_function('mawep_bury', bury)
redis.register_function('mawep_acquire', acquire)
redis.register_function('mawep_renew', renew)
redis.register_function('mawep_release', release)
redis.register_function('mawep_commit', commit)
redis.register_function{function_name = 'mawep_holder', callback = holder, flags = {'no-writes'}}
