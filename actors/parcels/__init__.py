"""What steps share about parcels: the calls that book their waybills, and the tracking events of their couriers."""
