CREATE CATALOG c WITH ('type' = 'icebreg', 'warehouse' = 'file:///tmp/x');
