# A collector's way over net-ssh with nothing but its defaults: sign in by pass phrase, a terminal, a shell, wait for the prompt
# after each command, answer a question with 3, turn pages. Prints the answers as JSON. Usage: collect.rb HOST PORT USER COMMAND...
# The pass phrase comes on standard input.
require "json"
require "net/ssh"

PROMPT = /^\r*([(][\w. ]+[)][#>]\s+)$/
QUESTION = /\[\S+\]>\s/
PAGER = /-Press Any Key For More-+.*$/
DEADLINE = 30

def await_prompt(ssh, seen)
  give_up = Process.clock_gettime(Process::CLOCK_MONOTONIC) + DEADLINE
  ssh.loop(0.05) { seen !~ PROMPT && Process.clock_gettime(Process::CLOCK_MONOTONIC) < give_up }
  raise "no prompt: #{seen}" unless seen =~ PROMPT

  answer = seen.dup
  seen.clear
  answer
end

host, port, user, *commands = ARGV
answers = {}
options = { port: port.to_i, password: $stdin.read, verify_host_key: :never, config: false, keys: [], use_agent: false,
            auth_methods: %w[none publickey password keyboard-interactive], number_of_password_prompts: 0, timeout: DEADLINE }
Net::SSH.start(host, user, options) do |ssh|
  seen = +""
  shell = ssh.open_channel do |channel|
    channel.on_data do |_, data|
      seen << data
      channel.send_data("3\n") if seen.sub!(QUESTION, "")
      channel.send_data(" ") if seen.sub!(PAGER, "")
    end
    channel.request_pty { |_, done| raise "no terminal" unless done }
    channel.send_channel_request("shell") { |_, done| raise "no shell" unless done }
  end
  await_prompt(ssh, seen)
  commands.each do |command|
    shell.send_data("#{command}\n")
    answers[command] = await_prompt(ssh, seen)
  end
  shell.send_data("exit\n")
  ssh.loop(0.05) { shell.active? }
  answers["kex"] = ssh.transport.algorithms.kex
end
puts JSON.generate(answers)
