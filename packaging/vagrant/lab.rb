# What a lab file comes to on machines of Vagrant: which machines, and their cards with names, addresses and MTU, as in namespaces
# (appliance/lab/layout.py). Knows nothing of Vagrant, so it can be looked at without:
#
#   ruby packaging/vagrant/lab.rb profiles/lab/hub.yaml ...     # one JSON object a file and line
require "digest"
require "ipaddr"
require "yaml"

module VagrantLab
  # What is said of a lab file that is none, or that Vagrant cannot have.
  class Refused < StandardError; end

  # A network card. addresses: with their prefix lengths; mac: twelve hexadecimal digits; network: what the wire is called among all.
  Card = Struct.new(:name, :network, :mac, :mtu, :addresses, keyword_init: true)

  # Networks that providers lay to each machine for themselves.
  TAKEN = { "192.168.121.0/24" => "libvirt's management", "10.0.2.0/24" => "VirtualBox's NAT" }.freeze
  # What a machine's own devices are called.
  OWN_DEVICE = /\A(lo|eth\d+|en\w+|wl\w+)\z/.freeze

  HOST_KEYS = { "behind" => "a NAT before a host", "uplink" => "wires that are down at first" }.freeze
  DEEDS = %w[cut heal flush uplink].freeze

  # The cards of each host, in the order of the file. Raises Refused.
  def self.read(path)
    lab = parse(path)
    missing = cannot_be_had(lab)
    unless missing.empty?
      raise Refused, "#{path} needs what machines of Vagrant do not have:\n" + missing.map { |line| "  #{line}\n" }.join +
                     "Run it in namespaces (appliance lab #{path}) or on guests of its own (--on vms)."
    end
    lab["links"].each_with_object(lab["hosts"].keys.to_h { |host| [host, []] }) do |link, cards|
      link["hosts"].each.with_index(1) { |host, number| cards[host] << card(lab, link, host, number) }
    end
  rescue KeyError, NoMethodError, TypeError, IPAddr::Error => error
    raise Refused, "#{path} is no valid lab file (#{error.message.lines.first.chomp}): `appliance lab #{path}` says where"
  end

  # The keys that ask for more than hosts on whole wires, each with what is missing.
  def self.cannot_be_had(lab)
    links = lab["links"].each_with_index.flat_map { |link, index| wrong_with_link(link, "links[#{index}]") }
    hosts = lab["hosts"].keys.product(HOST_KEYS.to_a).select { |host, (key, _)| setting(lab, host, key) }
    steps = (lab["steps"] || []).each_with_index.select { |step, _| DEEDS.include?(step["do"]) }
    links + hosts.map { |host, (key, what)| "hosts.#{host}.#{key}: #{what}" } +
      (lab["routers"] || {}).keys.map { |router| "routers.#{router}: a router" } +
      steps.map { |step, index| "steps[#{index}].do: #{step["do"]}, which is done to a wire or a router" }
  end

  def self.wrong_with_link(link, where)
    found = []
    found << "#{where}.impair: a wire that loses or delays packets" if link["impair"]
    found << "#{where}.name: #{link["name"]} is what a machine's own card is called" if link["name"].match?(OWN_DEVICE)
    TAKEN.each do |taken, whose|
      if link["ipv4"] && overlap?(IPAddr.new(link["ipv4"]), IPAddr.new(taken))
        found << "#{where}.ipv4: #{link["ipv4"]} is not free there, #{whose} network is #{taken}"
      end
    end
    found
  end

  def self.card(lab, link, host, number)
    Card.new(
      name: link["name"],
      network: "lab-#{lab["name"]}-#{link["name"]}",
      mac: "02" + Digest::SHA256.hexdigest([lab["name"], link["name"], host].join(" "))[0, 10], # 02: a local one
      mtu: link.fetch("mtu", 1500),
      addresses: [link["ipv4"], link["ipv6"]].compact.map { |prefix| numbered(IPAddr.new(prefix), number) }
    )
  end

  def self.numbered(prefix, number)
    "#{IPAddr.new(prefix.to_i + number, prefix.family)}/#{prefix.prefix}"
  end

  # A key of a host, or what `each` has for it. Empty lists are nothing.
  def self.setting(lab, host, key)
    value = (lab["each"] || {}).merge(lab["hosts"][host] || {})[key]
    value unless value.respond_to?(:empty?) && value.empty?
  end

  def self.overlap?(one, other)
    one.include?(other) || other.include?(one)
  end

  def self.parse(path)
    raise Refused, "#{path}: Vagrant's Ruby reads lab files in YAML only" if File.extname(path) == ".toml"

    lab = YAML.safe_load(File.read(path, encoding: "BOM|UTF-8"), filename: path)
    unless lab.is_a?(Hash) && lab["lab"] == 1 && lab["hosts"].is_a?(Hash) && lab["links"].is_a?(Array)
      raise Refused, "#{path} is no lab file: it has no `lab: 1`, `links` and `hosts`"
    end

    lab
  rescue SystemCallError, Psych::Exception => error
    raise Refused, "#{path} cannot be read: #{error.message}"
  end

  private_class_method :cannot_be_had, :wrong_with_link, :card, :numbered, :setting, :overlap?, :parse
end

if $PROGRAM_NAME == __FILE__
  require "json"
  ARGV.each do |path|
    puts JSON.generate(VagrantLab.read(path).transform_values { |cards| cards.map(&:to_h) })
  rescue VagrantLab::Refused => error
    puts JSON.generate({ refused: error.message })
  end
end
