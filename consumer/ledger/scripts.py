"""What is done inside Redis, each at once: nobody can come between reading an entry and writing it.

An entry is a hash with `digest`, `owner` and, once it ran, `record` and, while the record has a body, `mark`: what is
left of the record when the body goes. A process lives as long as its key under the prefix "owner:"; that key expires
when the process no longer renews it. What has run is in sorted sets by expiry, so that the oldest can go first:
"entries:USER" has that of a user and "bodies:USER" those of them whose bodies are kept. `shares:entries` and
`shares:bytes` say how much each user holds, so that the one with the most can be found; `shares:expiry` says when the
first of each may expire. `finished` and `bytes` are how much all hold. Redis' own clock counts. The newest activation
of a job is a hash under "activation:KEY", which expires by itself.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIVATE",
    "ACTIVATION",
    "BYTES",
    "CLAIM",
    "ENTRY",
    "FIND",
    "FINISH",
    "FINISHED",
    "OWNER",
    "PREFIX",
    "RELEASE",
    "TRIM",
]


PREFIX: Final = "zeebe-amqp:3:"
"""Of every key; 3 is the version of this layout."""

ENTRY: Final = f"{PREFIX}entry:"
ACTIVATION: Final = f"{PREFIX}activation:"
OWNER: Final = f"{PREFIX}owner:"
FINISHED: Final = f"{PREFIX}finished"
BYTES: Final = f"{PREFIX}bytes"

CLAIM: Final = """
-- KEYS: entry, our owner key. ARGV: digest, owner, expiry and lease in ms, whether to take over, owner prefix.
-- Returns digest, owner, record and whether the owner lives; nil when there was no entry.
redis.call('SET', KEYS[2], 1, 'PX', ARGV[4])
local digest, owner, record = unpack(redis.call('HMGET', KEYS[1], 'digest', 'owner', 'record'))
local function ours()
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'owner', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if not digest then
  ours()
  return nil
end
local alive = redis.call('EXISTS', ARGV[6] .. (owner or ''))
if ARGV[5] == '1' and alive == 0 and not record and digest == ARGV[1] then ours() end
return {digest, owner, record, alive}
"""

FIND: Final = """
-- KEYS: entry. ARGV: owner prefix. Returns digest, owner, record, whether the owner lives, and the expiry in ms.
local digest, owner, record = unpack(redis.call('HMGET', KEYS[1], 'digest', 'owner', 'record'))
if not digest then return nil end
return {digest, owner, record, redis.call('EXISTS', ARGV[1] .. (owner or '')), redis.call('PTTL', KEYS[1])}
"""

_HOLDINGS: Final = """
-- What each user holds. Members: of "entries:USER" the KEY, of "bodies:USER" SIZE:KEY, of the others USER.
local now = redis.call('TIME')
now = now[1] * 1000 + now[2] / 1000
local function add(user, entries, bytes)
  for share, amount in pairs({entries = entries, bytes = bytes}) do
    local key = PREFIX .. 'shares:' .. share
    if amount ~= 0 and tonumber(redis.call('ZINCRBY', key, amount, user)) <= 0 then redis.call('ZREM', key, user) end
  end
  if bytes ~= 0 then redis.call('INCRBY', PREFIX .. 'bytes', bytes) end
  if entries ~= 0 then redis.call('INCRBY', PREFIX .. 'finished', entries) end
end
"""

FINISH: Final = (
    f"local PREFIX = '{PREFIX}'\n{_HOLDINGS}"
    """
-- KEYS: entry. ARGV: digest, owner, expiry in ms, record, user, key, mark, bytes of its body.
-- Returns how many have finished, and how many bytes they have.
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if not entry[2] and (not entry[1] or entry[1] == ARGV[2]) then
  local user, key, size = ARGV[5], ARGV[6], tonumber(ARGV[8])
  local content = {'digest', ARGV[1], 'owner', ARGV[2], 'record', ARGV[4]}
  if size > 0 then content[7], content[8] = 'mark', ARGV[7] end
  redis.call('HSET', KEYS[1], unpack(content))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  local expires = now + ARGV[3]
  -- A member of an earlier run, which has expired, counts already.
  local entries = redis.call('ZADD', PREFIX .. 'entries:' .. user, expires, key)
  redis.call('ZADD', PREFIX .. 'shares:expiry', 'NX', expires, user)
  local bodies = 0
  if size > 0 then bodies = redis.call('ZADD', PREFIX .. 'bodies:' .. user, expires, size .. ':' .. key) end
  add(user, entries, bodies * size)
end
return {tonumber(redis.call('GET', PREFIX .. 'finished') or 0), tonumber(redis.call('GET', PREFIX .. 'bytes') or 0)}
"""
)

TRIM: Final = (
    f"local PREFIX = '{PREFIX}'\n{_HOLDINGS}"
    """
-- KEYS: finished, bytes. ARGV: most entries, most bytes, how many to remove at most, and by turns a user and his bytes.
-- Returns how many have finished, how many bytes they have, and how many bodies and entries went before their time.
local left, dropped, evicted = tonumber(ARGV[3]), 0, 0
local function first(key) return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') end
local function most(share)
  return redis.call('ZREVRANGE', PREFIX .. 'shares:' .. share, 0, 0)[1]
end

-- What is counted for a user: keys that were lost leave too much.
local function counted(share, user) return tonumber(redis.call('ZSCORE', PREFIX .. 'shares:' .. share, user) or 0) end

-- The oldest body of a user; false when there is none.
local function drop(user)
  local bodies = PREFIX .. 'bodies:' .. user
  local body = first(bodies)
  if not body[1] then
    add(user, 0, -counted('bytes', user))
    return false
  end
  local size, key = body[1]:match('^(%d+):(.*)$')
  redis.call('ZREM', bodies, body[1])
  add(user, 0, -size)
  -- What has expired is gone by itself, and its key may hold a later run.
  if tonumber(body[2]) > now then
    local entry = PREFIX .. 'entry:' .. key
    local mark = redis.call('HGET', entry, 'mark')
    if mark then
      redis.call('HSET', entry, 'record', mark)
      redis.call('HDEL', entry, 'mark')
      dropped = dropped + 1
    end
  end
  return true
end

local function evict(user, key, expired)
  redis.call('ZREM', PREFIX .. 'entries:' .. user, key)
  add(user, -1, 0)
  if expired then return end
  local entry = PREFIX .. 'entry:' .. key
  local size = redis.call('HSTRLEN', entry, 'record')
  if redis.call('ZREM', PREFIX .. 'bodies:' .. user, size .. ':' .. key) == 1 then add(user, 0, -size) end
  redis.call('DEL', entry)
  evicted = evicted + 1
end

while left > 0 do
  local earliest = first(PREFIX .. 'shares:expiry')
  if not earliest[1] or tonumber(earliest[2]) > now then break end
  local user = earliest[1]
  -- Bodies expire with their entries, or earlier when that has run again.
  local body, oldest = first(PREFIX .. 'bodies:' .. user), first(PREFIX .. 'entries:' .. user)
  if body[1] and tonumber(body[2]) <= now then
    drop(user)
  elseif oldest[1] and tonumber(oldest[2]) <= now then
    evict(user, oldest[1], true)
  elseif oldest[1] then
    redis.call('ZADD', PREFIX .. 'shares:expiry', oldest[2], user)
  else
    redis.call('ZREM', PREFIX .. 'shares:expiry', user)
  end
  left = left - 1
end
for each = 4, #ARGV, 2 do
  while left > 0 and counted('bytes', ARGV[each]) > tonumber(ARGV[each + 1]) do
    if not drop(ARGV[each]) then break end
    left = left - 1
  end
end
while left > 0 and tonumber(redis.call('GET', KEYS[1]) or 0) > tonumber(ARGV[1]) do
  local user = most('entries')
  if not user then break end
  local oldest = first(PREFIX .. 'entries:' .. user)
  if oldest[1] then
    evict(user, oldest[1], tonumber(oldest[2]) <= now)
  else
    add(user, -counted('entries', user), 0)
  end
  left = left - 1
end
while left > 0 and tonumber(redis.call('GET', KEYS[2]) or 0) > tonumber(ARGV[2]) do
  local user = most('bytes')
  if not user then break end
  drop(user)
  left = left - 1
end
return {tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(redis.call('GET', KEYS[2]) or 0), dropped, evicted}
"""
)

RELEASE: Final = """
-- KEYS: entry. ARGV: owner
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if entry[1] == ARGV[1] and not entry[2] then redis.call('DEL', KEYS[1]) end
return 1
"""

ACTIVATE: Final = """
-- KEYS: of activations; those beyond the ones that ARGV describes are removed. ARGV: of each its deadline, since,
-- trace, extension, and expiry in ms.
for each = #ARGV / 5 + 1, #KEYS do redis.call('DEL', KEYS[each]) end
for each = 1, #ARGV / 5 do
  local key, at = KEYS[each], 5 * (each - 1)
  local since = redis.call('HGET', key, 'since')
  if not since or tonumber(since) <= tonumber(ARGV[at + 2]) then
    local left = redis.call('PTTL', key)
    redis.call('HSET', key, 'deadline', ARGV[at + 1], 'since', ARGV[at + 2], 'trace', ARGV[at + 3],
      'extended', ARGV[at + 4])
    redis.call('PEXPIRE', key, math.max(left, tonumber(ARGV[at + 5])))
  end
end
return 1
"""
