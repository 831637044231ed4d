-- LLP version 1 (docs/protocol.md) for Wireshark and tshark: headers, flags, fragments, hello messages. Sealed bodies stay sealed;
-- control messages show with the suite "null" of laboratories, which protects nothing.
--
--   tshark -X lua_script:packaging/wireshark/llp.lua -r capture.pcap -Y llp
--
-- Copy it to ~/.local/lib/wireshark/plugins/ to have it always.

local llp = Proto("llp", "LLP")

local HEADER = 24
local PROTO = 0x4C31
local PORT = 8443
local DATA, INIT, RESPONSE = 1, 3, 4
local CONTROL = 1
local FRAGMENT, LAST, COOKIE, JSON, NO_SESSION = 0x04, 0x08, 0x10, 0x40, 0x80

local types = {
  [1] = "Data", [2] = "Ack", [3] = "HandshakeInit", [4] = "HandshakeResponse", [5] = "KeepAlive", [6] = "Disconnect",
}
local kex_names = { [1] = "X25519+ML-KEM-1024", [2] = "X25519" }
local suite_names = { [1] = "aes-256-gcm", [2] = "chacha20-poly1305", [3] = "hse", [0x7fff] = "null" }

local f = {
  proto = ProtoField.uint16("llp.proto", "Protocol", base.HEX),
  type = ProtoField.uint8("llp.type", "Type", base.DEC, types),
  flags = ProtoField.uint8("llp.flags", "Flags", base.HEX),
  phase = ProtoField.uint8("llp.flags.phase", "Key phase", base.DEC, nil, 0x03),
  fragment = ProtoField.bool("llp.flags.fragment", "Fragment", 8, nil, FRAGMENT),
  last = ProtoField.bool("llp.flags.last", "Last fragment", 8, nil, LAST),
  cookie = ProtoField.bool("llp.flags.cookie", "Cookie", 8, nil, COOKIE),
  parity = ProtoField.uint8("llp.flags.parity", "Parity span", base.DEC, { [0] = "none", [1] = "16", [4] = "8", [5] = "4, long records by row and column" }, 0x50),
  json = ProtoField.bool("llp.flags.json", "JSON", 8, nil, JSON),
  no_session = ProtoField.bool("llp.flags.no_session", "No session", 8, nil, NO_SESSION),
  session = ProtoField.uint32("llp.session", "Receiver's session index", base.HEX),
  channel = ProtoField.uint8("llp.channel", "Channel", base.DEC, { [0] = "IP packets", [1] = "control" }),
  number = ProtoField.uint64("llp.number", "Record number", base.DEC),
  piece = ProtoField.uint8("llp.fragment", "Fragment number", base.DEC),
  timestamp = ProtoField.uint32("llp.timestamp", "Timestamp (ms)", base.DEC),
  length = ProtoField.uint16("llp.length", "Length of the whole body", base.DEC),
  crc = ProtoField.uint16("llp.crc", "CRC-16", base.HEX),
  crc_good = ProtoField.bool("llp.crc.good", "CRC-16 is good"),
  body = ProtoField.bytes("llp.body", "Body"),
  message = ProtoField.string("llp.handshake", "Handshake message"),
  version = ProtoField.uint8("llp.hello.version", "Version", base.DEC),
  cookie_bytes = ProtoField.bytes("llp.hello.cookie", "Cookie"),
  index = ProtoField.uint32("llp.hello.index", "Sender's session index", base.HEX),
  session_id = ProtoField.guid("llp.hello.session_id", "Session id"),
  random = ProtoField.bytes("llp.hello.random", "Random"),
  x25519 = ProtoField.bytes("llp.hello.x25519", "X25519 share"),
  mlkem_bytes = ProtoField.uint16("llp.hello.mlkem_bytes", "ML-KEM share length", base.DEC),
  mlkem = ProtoField.bytes("llp.hello.mlkem", "ML-KEM share"),
  kex = ProtoField.uint16("llp.hello.kex", "Key exchange", base.DEC, kex_names),
  suite = ProtoField.uint16("llp.hello.suite", "Suite", base.DEC, suite_names),
  sealed_bytes = ProtoField.uint16("llp.hello.sealed_bytes", "Sealed proof length", base.DEC),
  sealed = ProtoField.bytes("llp.hello.sealed", "Sealed proof"),
  lost = ProtoField.uint32("llp.lost_session", "Session that is not known", base.HEX),
  text = ProtoField.string("llp.hello.json", "JSON"),
  control_kind = ProtoField.string("llp.control.kind", "Kind"),
  control_family = ProtoField.string("llp.control.family", "Family"),
  control_request = ProtoField.uint64("llp.control.request", "Request", base.DEC),
  control_response = ProtoField.uint64("llp.control.response", "Response to", base.DEC),
  control_refused = ProtoField.bool("llp.control.refused", "Refused"),
  control_head = ProtoField.string("llp.control.head", "Head"),
  control_body = ProtoField.bytes("llp.control.body", "Raw bytes"),
}
for _, field in pairs(f) do
  llp.fields[#llp.fields + 1] = field
end

local bad_crc = ProtoExpert.new("llp.crc.bad", "Bad checksum", expert.group.CHECKSUM, expert.severity.ERROR)
local short = ProtoExpert.new("llp.short", "Message is cut short", expert.group.MALFORMED, expert.severity.WARN)
llp.experts = { bad_crc, short }

-- CRC-16/IBM-3740 over bytes 0 to 21.
local function crc16(tvb)
  local crc = 0xffff
  for at = 0, 21 do
    crc = bit.bxor(crc, bit.lshift(tvb(at, 1):uint(), 8))
    for _ = 1, 8 do
      crc = bit.lshift(crc, 1)
      if crc >= 0x10000 then
        crc = bit.band(bit.bxor(crc, 0x1021), 0xffff)
      end
    end
  end
  return crc
end

-- A cursor over a body that notices when the body ends: the first fragment shows the first part of a message.
local function cursor(body, tree)
  local self = { at = 0 }
  function self.take(field, length)
    if not self.at then
      return nil
    end
    if self.at + length > body:len() then
      if body:len() > self.at then
        tree:add(f.body, body(self.at))
      end
      tree:add_proto_expert_info(short)
      self.at = nil
      return nil
    end
    if length == 0 then
      return body(0, 0)
    end
    local range = body(self.at, length)
    if field then
      tree:add(field, range)
    end
    self.at = self.at + length
    return range
  end
  function self.number(field, length)
    local range = self.take(field, length)
    return range and range:uint()
  end
  return self
end

local function numbers(c, field)
  local count = c.number(nil, 1)
  for _ = 1, count or 0 do
    c.take(field, 2)
  end
end

local function client_hello(body, tree)
  local c = cursor(body, tree)
  c.take(f.version, 1)
  c.take(f.cookie_bytes, c.number(nil, 1) or 0)
  c.take(f.index, 4)
  c.take(f.random, 32)
  c.take(f.x25519, 32)
  c.take(f.mlkem, c.number(f.mlkem_bytes, 2) or 0)
  numbers(c, f.kex)
  numbers(c, f.suite)
end

local function server_hello(body, tree)
  local c = cursor(body, tree)
  c.take(f.index, 4)
  c.take(f.session_id, 16)
  c.take(f.random, 32)
  c.take(f.x25519, 32)
  c.take(f.kex, 2)
  c.take(f.suite, 2)
  c.take(f.mlkem, c.number(f.mlkem_bytes, 2) or 0)
  c.take(f.sealed, c.number(f.sealed_bytes, 2) or 0)
end

-- The name of a handshake message and its fields, where its first bytes are here.
local function handshake(kind, flags, session, piece, body, tree)
  local name
  if kind == RESPONSE and bit.band(flags, NO_SESSION) ~= 0 then
    name = "NoSession"
  elseif kind == RESPONSE then
    name = bit.band(flags, COOKIE) ~= 0 and "CookieReply" or "ServerHello"
  else
    name = session == 0 and "ClientHello" or "ClientFinish"
  end
  tree:add(f.message, name):set_generated()
  if piece ~= 0 or body:len() == 0 then
    tree:add(f.body, body())
  elseif bit.band(flags, JSON) ~= 0 then
    tree:add(f.text, body(), body():string())
  elseif name == "ClientHello" then
    client_hello(body, tree)
  elseif name == "ServerHello" then
    server_hello(body, tree)
  elseif name == "NoSession" and body:len() >= 3 then
    tree:add(f.lost, body(0, 3))
  elseif name == "CookieReply" and body:len() > 16 then
    tree:add(f.random, body(0, 16))
    tree:add(f.cookie_bytes, body(16))
  else
    tree:add(f.sealed, body())
  end
  return name
end

-- The number that a member of the head begins with. Members behind `kind` come first of those we write; what is nested is not looked into.
local function member(head, name)
  return head:match('^%s*{%s*"kind"%s*:%s*"[^"]*"%s*,%s*"' .. name .. '"%s*:%s*([%w]+)')
end

-- A control message that is not sealed: its kind, or nil when it is none (then it is sealed, or a peer's mistake).
local function control(body, tree)
  local bytes = body():bytes():raw()
  local ends = bytes:find("\0", 1, true)
  local head = ends and bytes:sub(1, ends - 1) or bytes
  local kind = head:match('^%s*{%s*"kind"%s*:%s*"([a-z][a-z0-9.%-_]*)"')
  if not kind then
    return nil
  end
  tree:add(f.control_kind, body(0, #head), kind)
  tree:add(f.control_family, body(0, #head), (kind:match("^[^.]*"))):set_generated()
  for name, field in pairs({ request = f.control_request, response = f.control_response }) do
    local digits = member(head, name)
    local number = digits and digits:match("^%d+$") and #digits <= 16 and UInt64.new(tonumber(digits) % 0x100000000, math.floor(tonumber(digits) / 0x100000000))
    if number then
      tree:add(field, body(0, #head), number)
    end
  end
  if head:match('^%s*{%s*"kind"%s*:%s*"[^"]*"%s*,%s*"response"%s*:%s*%d+%s*,%s*"refused"%s*:%s*true') then
    tree:add(f.control_refused, body(0, #head), true)
  end
  tree:add(f.control_head, body(0, #head), head)
  if ends and ends < #bytes then
    tree:add(f.control_body, body(ends))
  end
  return kind
end

-- One packet: `tvb` begins with its header and holds what there is of its body.
local function packet(tvb, pinfo, root)
  local tree = root:add(llp, tvb())
  local kind, flags = tvb(2, 1):uint(), tvb(3, 1):uint()
  local session, piece = tvb(4, 3):uint(), tvb(15, 1):uint()
  tree:add(f.proto, tvb(0, 2))
  tree:add(f.type, tvb(2, 1))
  local flag_tree = tree:add(f.flags, tvb(3, 1))
  local shaken = kind == INIT or kind == RESPONSE
  local meant = shaken and { "fragment", "last", "cookie", "json", "no_session" } or { "phase", "fragment", "last", "parity" }
  for _, name in ipairs(meant) do
    flag_tree:add(f[name], tvb(3, 1))
  end
  tree:add(f.session, tvb(4, 3))
  tree:add(f.channel, tvb(7, 1))
  tree:add(f.number, tvb(8, 7))
  tree:add(f.piece, tvb(15, 1))
  tree:add(f.timestamp, tvb(16, 4))
  tree:add(f.length, tvb(20, 2))
  tree:add(f.crc, tvb(22, 2))
  local good = crc16(tvb) == tvb(22, 2):uint()
  tree:add(f.crc_good, tvb(22, 2), good):set_generated()
  if not good then
    tree:add_proto_expert_info(bad_crc)
  end
  local name = types[kind] or ("type " .. kind)
  if shaken then
    if tvb:len() > HEADER then
      name = handshake(kind, flags, session, piece, tvb(HEADER):tvb(), tree)
    end
  elseif tvb:len() > HEADER then
    local said = kind == DATA and tvb(7, 1):uint() == CONTROL and piece == 0 and control(tvb(HEADER):tvb(), tree)
    if said then
      name = name .. " " .. said
    else
      tree:add(f.body, tvb(HEADER))
    end
  end
  local info = name
  if bit.band(flags, FRAGMENT) ~= 0 then
    info = info .. " [" .. piece .. (bit.band(flags, LAST) ~= 0 and ", last]" or "]")
  end
  pinfo.cols.protocol = "LLP"
  pinfo.cols.info:append(info .. " ")
end

local function is_llp(tvb)
  return tvb:len() >= HEADER and tvb(0, 2):uint() == PROTO and types[tvb(2, 1):uint()] ~= nil
end

local function datagram(tvb, pinfo, tree)
  if not is_llp(tvb) then
    return 0
  end
  pinfo.cols.info = ""
  packet(tvb, pinfo, tree)
  return tvb:len()
end

local function stream_length(tvb, _, offset)
  return HEADER + tvb(offset + 20, 2):uint()
end

local function stream_packet(tvb, pinfo, tree)
  packet(tvb, pinfo, tree)
  return tvb:len()
end

local function stream(tvb, pinfo, tree)
  if tvb:len() >= 2 and tvb(0, 2):uint() ~= PROTO then
    return 0
  end
  pinfo.cols.info = ""
  dissect_tcp_pdus(tvb, tree, HEADER, stream_length, stream_packet)
  return tvb:len()
end

function llp.dissector(tvb, pinfo, tree)
  if pinfo.port_type == 2 then
    return stream(tvb, pinfo, tree)
  end
  return datagram(tvb, pinfo, tree)
end

DissectorTable.get("udp.port"):add(PORT, llp)
DissectorTable.get("tcp.port"):add(PORT, llp)

llp:register_heuristic("udp", function(tvb, pinfo, tree)
  return datagram(tvb, pinfo, tree) > 0
end)
llp:register_heuristic("tcp", function(tvb, pinfo, tree)
  return is_llp(tvb) and stream(tvb, pinfo, tree) > 0
end)
