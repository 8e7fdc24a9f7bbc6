#!/usr/bin/env ruby
# Prints a signed link: sign.rb KEY_FILE PATH EXPIRES [BASENAME]

require "erb"
require "openssl"
require "uri"

def sign_url(key, path, claims)
  quoted = path.split("/", -1).map { |segment| ERB::Util.url_encode(segment) }.join("/")
  url = "#{quoted}?#{URI.encode_www_form(claims)}"
  code = OpenSSL::HMAC.digest("SHA256", key, url)
  "#{url}&signature=#{[code].pack("m0").tr("+/", "-_").delete("=")}"
end

key_file, path, expires, basename = ARGV
key = File.binread(key_file).lines.first.chomp
puts sign_url(key, path, { expires: expires, basename: basename }.compact)
