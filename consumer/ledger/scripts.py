"""What is done inside Redis, each at once: nobody can come between reading an entry and writing it.

An entry is a hash with `digest`, `owner` and, once it ran, `record`. A process lives as long as its key under the
prefix "owner:"; that key expires when the process no longer renews it. `finished` is a sorted set of what has run,
by expiry, so that the oldest can go first; `bytes` is how much its records hold. Redis' own clock counts.
"""

from __future__ import annotations

PREFIX = "zeebe-amqp:1:"
"""Of every key; 1 is the version of this layout."""

ENTRY, OWNER, FINISHED, BYTES = (PREFIX + name for name in ("entry:", "owner:", "finished", "bytes"))

CLAIM = """
-- KEYS: entry, our owner key. ARGV: digest, owner, expiry and lease in ms, whether we would run it again, owner prefix
redis.call('SET', KEYS[2], 1, 'PX', ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 'digest', 'owner', 'record')
local function ours()
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'owner', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if not entry[1] then
  ours()
  return {'NEW'}
end
if entry[1] ~= ARGV[1] then return {'CONFLICT'} end
if entry[3] then return {'DONE', entry[3]} end
if entry[2] == ARGV[2] then return {'OURS'} end
if redis.call('EXISTS', ARGV[6] .. entry[2]) == 1 then return {'RUNNING'} end
if ARGV[5] == '1' then ours() end
return {'ORPHANED'}
"""

FINISH = """
-- KEYS: entry, finished, bytes. ARGV: digest, owner, expiry in ms, record, most entries, most bytes.
-- Returns how many have finished.
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if entry[2] or (entry[1] and entry[1] ~= ARGV[2]) then return redis.call('ZCARD', KEYS[2]) end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'owner', ARGV[2], 'record', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A member of an earlier run with an answer as long counts already.
local added = redis.call('ZADD', KEYS[2], now + ARGV[3], #ARGV[4] .. ':' .. KEYS[1])
local size = redis.call('INCRBY', KEYS[3], added * #ARGV[4])
for _ = 1, 100 do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  if not first[1] then break end
  local expired = tonumber(first[2]) <= now
  if not expired and redis.call('ZCARD', KEYS[2]) <= tonumber(ARGV[5]) and size <= tonumber(ARGV[6]) then break end
  local length, key = first[1]:match('^(%d+):(.*)$')
  redis.call('ZREM', KEYS[2], first[1])
  -- What has expired is gone by itself, and its key may hold a later run.
  if not expired then redis.call('DEL', key) end
  size = redis.call('DECRBY', KEYS[3], length)
end
return redis.call('ZCARD', KEYS[2])
"""

RELEASE = """
-- KEYS: entry. ARGV: owner
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if entry[1] == ARGV[1] and not entry[2] then redis.call('DEL', KEYS[1]) end
return 1
"""
