-- The sys tenant's table of servers, as an OceanBase cluster has it. Single-node kernels lack it:
-- creating it on each of them, with a row for every node, makes them a cluster that can be
-- discovered. Used by docker-compose.yml and by the tests alike.
CREATE DATABASE IF NOT EXISTS oceanbase;
CREATE TABLE IF NOT EXISTS oceanbase.__all_server (
  gmt_create timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  gmt_modified timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  svr_ip varchar(46) NOT NULL,
  svr_port bigint NOT NULL,
  id bigint NOT NULL,
  zone varchar(128) NOT NULL,
  inner_port bigint NOT NULL,
  with_rootserver bigint NOT NULL DEFAULT 0,
  status varchar(64) NOT NULL,
  block_migrate_in_time bigint NOT NULL DEFAULT 0,
  build_version varchar(256) NOT NULL,
  stop_time bigint NOT NULL DEFAULT 0,
  start_service_time bigint NOT NULL DEFAULT 0,
  first_sessid bigint NOT NULL DEFAULT 0,
  with_partition bigint NOT NULL DEFAULT 0,
  last_offline_time bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (svr_ip, svr_port)
);
