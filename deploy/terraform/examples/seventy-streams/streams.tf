# Seventy topics into seventy tables: each entry is a connector.
locals {
  avro = {
    "delta.raw.format"        = "avro"
    "delta.registry.url"      = "https://registry.example.com"
    "delta.registry.username" = "sluice"
    "delta.registry.password" = "$${env:SECRET_REGISTRY_PASSWORD}"
  }

  streams = {
    orders      = { tasks = 4, config = { "delta.metadata.columns" = "topic,partition,offset" } }
    order-lines = {}
    carts       = {}
    checkouts   = {}
    payments    = { tasks = 4, config = { "delta.commit.interval.ms" = "10000" } }
    refunds     = {}
    invoices    = {}
    returns     = {}
    coupons     = {}
    wishlists   = {}

    page-views  = { tasks = 8, config = { "delta.partition.by" = "day(ts)" } }
    clicks      = { tasks = 4, config = { "delta.partition.by" = "day(ts)" } }
    searches    = {}
    impressions = { tasks = 8, config = { "delta.partition.by" = "day(ts)" } }
    sessions    = {}
    experiments = {}
    consents    = {}
    web-errors  = { config = { "delta.raw.json.strings" = "lenient" } }
    web-vitals  = {}
    referrals   = {}

    app-opens        = {}
    app-events       = { tasks = 6 }
    app-errors       = {}
    push-sent        = {}
    push-opened      = {}
    installs         = {}
    in-app-purchases = {}
    app-ratings      = {}
    deep-links       = {}
    app-sessions     = {}

    users           = { topic = "people.users.v2", config = { "delta.key.mode" = "columns", "behavior.on.null.values" = "dlq" } }
    logins          = {}
    profiles        = {}
    addresses       = {}
    subscriptions   = {}
    cancellations   = {}
    support-tickets = {}
    chats           = {}
    surveys         = {}
    loyalty         = {}

    shipments       = {}
    parcels         = { topic = "parcels.eu,parcels.us" }
    stock-levels    = {}
    stock-moves     = {}
    suppliers       = {}
    purchase-orders = {}
    deliveries      = {}
    warehouse-scans = {}
    prices          = {}
    products        = {}

    sensors     = { tasks = 12, config = local.avro }
    meters      = {}
    vehicles    = {}
    positions   = { tasks = 6, config = local.avro }
    alarms      = {}
    firmware    = {}
    thermostats = {}
    doors       = {}
    cameras     = {}
    gateways    = {}

    audit-log     = {}
    emails        = {}
    sms           = {}
    jobs          = {}
    deployments   = {}
    feature-flags = {}
    api-calls     = { tasks = 4 }
    webhooks      = {}
    ledger        = { table = "finance/ledger", config = { "delta.schema.evolution" = "none", "delta.schema.unknown.fields" = "fail" } }
    fraud-scores  = { table = "s3://risk-lake/fraud-scores" }
  }
}
