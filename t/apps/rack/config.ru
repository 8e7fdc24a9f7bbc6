# Rack::Sendfile before Rack::Files, by X-Sendfile and by X-Accel-Redirect. Rails does the same for
# send_file, by config.action_dispatch.x_sendfile_header.
#
# MEDIA_ROOT comes by the environment; who has the cookie user=alice may have the files.

require "rack"
require "json"

class OnlyAlice
  def initialize(app)
    @app = app
  end

  def call(env)
    if Rack::Request.new(env).cookies["user"] == "alice"
      @app.call(env)
    else
      [403, { "Content-Type" => "text/plain" }, ["not for you"]]
    end
  end
end

files = Rack::Files.new(ENV.fetch("MEDIA_ROOT"), {
  "Cache-Control" => "private, max-age=60",
  "Content-Disposition" => "attachment",
  "X-Of-The-App" => "kept",
  "Set-Cookie" => "seen=1\nread=2",
})

use OnlyAlice

map "/sendfile" do
  use Rack::Sendfile, "X-Sendfile"
  run files
end

map "/accel" do
  use Rack::Sendfile, "X-Accel-Redirect" # where to, nginx says: X-Accel-Mapping
  run files
end

map "/mapped" do
  use Rack::Sendfile, "X-Accel-Redirect", [["#{ENV.fetch("MEDIA_ROOT")}/", "/protected/"]]
  run files
end

map "/headers" do
  run lambda { |env|
    names = env.keys.grep(/^HTTP_/).to_h { |name| [name.delete_prefix("HTTP_").tr("_", "-"), env[name]] }
    [200, { "Content-Type" => "application/json" }, [names.to_json]]
  }
end
