-- Weir's sample script: three rules against spam, and how a script is written. docs/lua.md describes everything that
-- it uses. In the configuration:
--
--   modules:
--     - module: lua
--       config:
--         script: spam.lua
--         settings:
--           words: ["cheap followers", "buy now"]
--           repeats: 5

-- What stands outside of a function is run once, when the script is loaded: here is the place for pattern sets, for what
-- is remembered, and for looking at the settings.
local words = weir.patterns(config.words or {"cheap followers", "crypto giveaway"})
local repeats_allowed = config.repeats or 3
local trusted_servers = config.trusted_servers or {}

-- How often which sender said what, within a minute. At most 10,000 of them: the oldest are forgotten first.
local said = weir.store(10000, 60 * 1000)

-- Keys of `content` that most events are asked about: their texts come without parsing the event. Optional.
fields = {"body"}

local function is_trusted(server)
  for _, glob in ipairs(trusted_servers) do
    if weir.glob(glob, server) then return true end
  end
  return false
end

-- Asked about every event that is to be checked for spam. `pass` lets the next module speak, `refuse` denies the event;
-- `reason` says why, for the verdict.
function check_event_for_spam(event)
  local server = weir.server_of(event.sender)
  if is_trusted(server) then return pass end

  -- Rule 1: what is said.
  local body = event.content.body
  if type(body) == "string" then
    local word = words:match(body)
    if word then
      reason("says what is not wanted here", word)
      return refuse("M_FORBIDDEN")
    end

    -- Rule 2: the same again and again. The text itself is not kept, only its hash.
    local key = event.sender .. " " .. weir.xxhash(body)
    if said:incr(key) > repeats_allowed then
      reason("said too often within a minute", "repeats")
      return refuse("M_LIMIT_EXCEEDED")
    end
  end

  -- Rule 3: a message that mentions half of the room.
  local mentions = event.content["m.mentions"]
  local users = mentions and mentions.user_ids
  if users and #users > 20 then
    reason(#users .. " users are mentioned", "mentions")
    return refuse()
  end
  return pass
end

-- Public rooms get a name that says who made them. The request is edited in place.
function on_create_room(requester, request_content, is_requester_admin)
  if request_content.visibility == "public" and not request_content.name then
    request_content.name = "A room of " .. requester.user_id
  end
end
