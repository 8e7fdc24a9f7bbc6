# Around what docs/frameworks/rails.md shows: an application without a database, one report, and a
# login of one line. PAGE is the folder of the page's files.

require "rails"
require "action_controller/railtie"

Report = Struct.new(:id, :owner, :title, :path) do
  def self.find_by(id:)
    new(7, "alice", "Q3 report", "2026/q3.pdf") if id == "7"
  end
end

class Application < Rails::Application
  config.root = ENV.fetch("PAGE")
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = "only for the test, and of no use elsewhere"
  config.session_store :cookie_store, key: "_app_session"
  config.hosts.push("127.0.0.1", "localhost")
  config.logger = Logger.new($stderr)
  config.autoloader = :classic
end

class ApplicationController < ActionController::Base
  def require_login = current_user || redirect_to("/login")
  def current_user = session[:user]
end

class SessionsController < ApplicationController
  def new = params[:user] ? render(plain: "in #{session[:user] = params[:user]}\n") : render(plain: "who are you?\n")
  def destroy = render(plain: "out #{reset_session}\n")
end

Dir["#{ENV.fetch("PAGE")}/app/controllers/*.rb"].each { |file| require file }
Rails.application.initialize!
Rails.application.routes.draw do
  get "/login", to: "sessions#new"
  get "/logout", to: "sessions#destroy"
  instance_eval File.read("#{ENV.fetch("PAGE")}/config/routes.rb")[/draw do\n(.*)^end/m, 1]
end

run Rails.application
