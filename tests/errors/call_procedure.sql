CALL sys.expire_snapshots('db.t');
