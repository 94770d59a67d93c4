"""The database: engine and unit of work, tenancy, encryption, migrations, leases, the embedded server."""
