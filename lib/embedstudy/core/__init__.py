"""The ground floor: errors, paths, seeding, files, schemas, parameters. It imports nothing of ours."""
