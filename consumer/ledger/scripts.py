"""What is done inside Redis, each at once: nobody can come between reading an entry and writing it.

An entry is a hash with `digest`, `owner` and, once it ran, `record`. A process lives as long as its key under the
prefix "owner:"; that key expires when the process no longer renews it. `finished` is a sorted set of what has run,
by expiry, so that the oldest can go first; `bytes` is how much its records hold. Redis' own clock counts.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BYTES", "CLAIM", "ENTRY", "FIND", "FINISH", "FINISHED", "OWNER", "RELEASE", "TRIM"]


PREFIX: Final = "zeebe-amqp:2:"
"""Of every key; 2 is the version of this layout."""

ENTRY: Final = f"{PREFIX}entry:"
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
local alive = redis.call('EXISTS', ARGV[6] .. owner)
if ARGV[5] == '1' and alive == 0 and not record and digest == ARGV[1] then ours() end
return {digest, owner, record, alive}
"""

FIND: Final = """
-- KEYS: entry. ARGV: owner prefix. Returns digest, owner, record, whether the owner lives, and the expiry in ms.
local digest, owner, record = unpack(redis.call('HMGET', KEYS[1], 'digest', 'owner', 'record'))
if not digest then return nil end
return {digest, owner, record, redis.call('EXISTS', ARGV[1] .. owner), redis.call('PTTL', KEYS[1])}
"""

FINISH: Final = """
-- KEYS: entry, finished, bytes. ARGV: digest, owner, expiry in ms, record. Returns how many have finished.
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if not entry[2] and (not entry[1] or entry[1] == ARGV[2]) then
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'owner', ARGV[2], 'record', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  local time = redis.call('TIME')
  -- A member of an earlier run with an answer as long counts already.
  local added = redis.call('ZADD', KEYS[2], time[1] * 1000 + time[2] / 1000 + ARGV[3], #ARGV[4] .. ':' .. KEYS[1])
  redis.call('INCRBY', KEYS[3], added * #ARGV[4])
end
return redis.call('ZCARD', KEYS[2])
"""

TRIM: Final = """
-- KEYS: finished, bytes. ARGV: most entries, most bytes, how many to remove at most.
-- Returns how many have finished, how many bytes they have, and how many were removed before their time.
local evicted = 0
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local size = tonumber(redis.call('GET', KEYS[2]) or 0)
for _ = 1, tonumber(ARGV[3]) do
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if not first[1] then break end
  local expired = tonumber(first[2]) <= now
  if not expired and redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[1]) and size <= tonumber(ARGV[2]) then break end
  local length, key = first[1]:match('^(%d+):(.*)$')
  redis.call('ZREM', KEYS[1], first[1])
  -- What has expired is gone by itself, and its key may hold a later run.
  if not expired then
    redis.call('DEL', key)
    evicted = evicted + 1
  end
  size = redis.call('DECRBY', KEYS[2], length)
end
return {redis.call('ZCARD', KEYS[1]), size, evicted}
"""

RELEASE: Final = """
-- KEYS: entry. ARGV: owner
local entry = redis.call('HMGET', KEYS[1], 'owner', 'record')
if entry[1] == ARGV[1] and not entry[2] then redis.call('DEL', KEYS[1]) end
return 1
"""
