# What Vagrant itself makes of our Vagrantfile, as JSON: for each lab file of the command line its machines, and whether it is valid.
require "json"
require "vagrant"

views = ARGV.to_h do |lab|
  ENV["LAB"] = lab
  environment = Vagrant::Environment.new(ui_class: Vagrant::UI::Silent)
  machines = environment.machine_names.to_h do |name|
    machine = environment.vagrantfile.machine_config(name, :libvirt, nil, nil, false)[:config].vm
    wires = machine.networks.filter_map { |kind, options| options if kind == :private_network }
    arguments = machine.provisioners.flat_map { |provisioner| provisioner.config.args }
    [name, { hostname: machine.hostname, box: machine.box, wires: wires, arguments: arguments }]
  end
  [lab, { machines: machines, code: environment.cli("validate", "--ignore-provider") }]
end
puts JSON.generate(views)
